/** Size of the picture, in pixels. It is drawn small and stretched: its softness costs nothing. */
const lightWidth = 384;
const lightHeight = 216;
const framesPerSecond = 24;

interface Beam {
  /** Place of the lamp, 0 to 1 of the width. */
  readonly from: number;
  readonly hue: number;
  readonly phase: number;
  readonly pace: number;
  readonly spread: number;
}

const beams: readonly Beam[] = Array.from({ length: 9 }, (_, index) => ({
  from: 0.06 + index * 0.11,
  hue: [332, 265, 195, 288, 18][index % 5] ?? 265,
  phase: index * 1.7,
  pace: 0.16 + (index % 3) * 0.07,
  spread: 0.045 + (index % 4) * 0.012,
}));

/**
 * The picture behind the comments, in place of a video: a concert at night, with lights that sweep over the crowd. It
 * has two canvases: lights (small, 24 frames a second) and crowd (sharp, drawn when the size changes). It stands still
 * for a viewer who wants less motion, and while the page is hidden.
 */
export class Backdrop {
  readonly #lights: HTMLCanvasElement;
  readonly #crowd: HTMLCanvasElement;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #energy = 0;
  #drawnAt = 0;

  constructor(lights: HTMLCanvasElement, crowd: HTMLCanvasElement) {
    this.#lights = lights;
    this.#crowd = crowd;
    lights.width = lightWidth;
    lights.height = lightHeight;
    new ResizeObserver(() => drawCrowd(this.#crowd)).observe(crowd);
    requestAnimationFrame((now) => this.#frame(now));
  }

  /** Makes the lights brighter for a while, by a strength of 0 to 1: a publication has come in. */
  excite(amount: number): void {
    this.#energy = Math.max(this.#energy, Math.min(1, amount));
  }

  #frame(now: number): void {
    requestAnimationFrame((next) => this.#frame(next));
    const elapsed = now - this.#drawnAt;
    if (elapsed < 1000 / framesPerSecond || (this.#still.matches && this.#drawnAt > 0)) return;
    this.#drawnAt = now;
    this.#energy *= Math.exp(-elapsed / 1500);
    const pen = this.#lights.getContext('2d', { alpha: false });
    if (pen !== null) drawLights(pen, this.#still.matches ? 9 : now / 1000, this.#energy);
  }
}

function drawLights(pen: CanvasRenderingContext2D, seconds: number, energy: number): void {
  pen.globalCompositeOperation = 'source-over';
  const sky = pen.createLinearGradient(0, 0, 0, lightHeight);
  sky.addColorStop(0, '#05040d');
  sky.addColorStop(0.55, '#120a2b');
  sky.addColorStop(0.86, '#2d1145');
  sky.addColorStop(1, '#170a26');
  pen.fillStyle = sky;
  pen.fillRect(0, 0, lightWidth, lightHeight);
  pen.globalCompositeOperation = 'lighter';
  drawHaze(pen, seconds, energy);
  for (const beam of beams) drawBeam(pen, beam, seconds, energy);
  drawStageGlow(pen, seconds, energy);
}

function drawHaze(pen: CanvasRenderingContext2D, seconds: number, energy: number): void {
  for (const [index, hue] of [285, 322, 205].entries()) {
    const x = lightWidth * (0.5 + 0.38 * Math.sin(seconds * 0.07 + index * 2.1));
    const y = lightHeight * (0.62 + 0.12 * Math.cos(seconds * 0.09 + index));
    const radius = lightWidth * 0.42;
    const haze = pen.createRadialGradient(x, y, 0, x, y, radius);
    haze.addColorStop(0, `hsl(${hue} 80% 45% / ${0.15 + energy * 0.12})`);
    haze.addColorStop(1, 'hsl(0 0% 0% / 0)');
    pen.fillStyle = haze;
    pen.fillRect(0, 0, lightWidth, lightHeight);
  }
}

function drawBeam(pen: CanvasRenderingContext2D, beam: Beam, seconds: number, energy: number): void {
  const x = beam.from * lightWidth;
  const angle = Math.sin(seconds * beam.pace + beam.phase) * 0.62;
  const length = lightHeight * 1.25;
  const reach = x + Math.sin(angle) * length;
  const floor = Math.cos(angle) * length;
  const half = beam.spread * lightWidth * 1.6;
  const breath = 0.72 + 0.28 * Math.sin(seconds * 0.9 + beam.phase * 2);
  const strength = (0.2 + energy * 0.26) * breath;
  const light = pen.createLinearGradient(x, -6, reach, floor);
  light.addColorStop(0, `hsl(${beam.hue} 95% 78% / ${Math.min(0.95, strength * 2.1)})`);
  light.addColorStop(0.28, `hsl(${beam.hue} 92% 62% / ${strength})`);
  light.addColorStop(1, `hsl(${beam.hue} 90% 50% / 0)`);
  pen.fillStyle = light;
  for (const width of [1, 0.45]) {
    pen.beginPath();
    pen.moveTo(x - 1.2, -6);
    pen.lineTo(x + 1.2, -6);
    pen.lineTo(reach + half * width, floor);
    pen.lineTo(reach - half * width, floor);
    pen.fill();
  }
}

function drawStageGlow(pen: CanvasRenderingContext2D, seconds: number, energy: number): void {
  const pulse = 0.5 + 0.5 * Math.sin(seconds * 0.8);
  pen.save();
  pen.translate(lightWidth / 2, lightHeight * 0.86);
  pen.scale(1, 0.3);
  const glow = pen.createRadialGradient(0, 0, 0, 0, 0, lightWidth * 0.5);
  glow.addColorStop(0, `hsl(330 95% 72% / ${0.44 + pulse * 0.1 + energy * 0.28})`);
  glow.addColorStop(0.45, `hsl(280 85% 50% / ${0.2 + energy * 0.14})`);
  glow.addColorStop(1, 'hsl(0 0% 0% / 0)');
  pen.fillStyle = glow;
  pen.fillRect(-lightWidth, -lightHeight * 3, lightWidth * 2, lightHeight * 6);
  pen.restore();
}

/** Heads, raised hands and a few lit phones: the same crowd at every size. */
function drawCrowd(canvas: HTMLCanvasElement): void {
  const ratio = Math.min(2, devicePixelRatio);
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const pen = canvas.getContext('2d');
  if (pen === null) return;
  pen.scale(ratio, ratio);
  for (const [row, shade] of ['#1b0d33', '#110822', '#080411'].entries()) {
    drawRow(pen, { width, height, row, shade });
  }
}

function drawRow(
  pen: CanvasRenderingContext2D,
  crowd: { readonly width: number; readonly height: number; readonly row: number; readonly shade: string },
): void {
  const { width, height, row, shade } = crowd;
  const random = noise(row * 7919 + 17);
  const head = height * (0.085 + row * 0.03);
  const base = height * (0.46 + row * 0.2);
  pen.fillStyle = shade;
  pen.strokeStyle = shade;
  pen.lineCap = 'round';
  for (let x = -head; x < width + head; x += head * (1.35 + random() * 0.7)) {
    const y = base + (random() - 0.5) * head * 1.1;
    pen.beginPath();
    pen.ellipse(x, y, head * 0.52, head * 0.62, 0, 0, Math.PI * 2);
    pen.fill();
    pen.beginPath();
    pen.ellipse(x, y + head * 1.75, head * 1.12, head * 1.25, 0, 0, Math.PI * 2);
    pen.fill();
    const gesture = random();
    if (gesture < 0.34) drawArm(pen, { x, y, head, lean: random() - 0.5, phone: gesture < 0.07 });
  }
  pen.fillRect(0, base + head * 1.5, width, height);
}

function drawArm(
  pen: CanvasRenderingContext2D,
  arm: { readonly x: number; readonly y: number; readonly head: number; readonly lean: number; readonly phone: boolean },
): void {
  const { x, y, head, lean, phone } = arm;
  const handX = x + head * (lean * 1.4 + Math.sign(lean) * 0.5);
  const handY = y - head * 1.9;
  pen.lineWidth = head * 0.3;
  pen.beginPath();
  pen.moveTo(x + Math.sign(lean) * head * 0.8, y + head * 1.2);
  pen.quadraticCurveTo(x + Math.sign(lean) * head, y - head * 0.2, handX, handY);
  pen.stroke();
  if (!phone) return;
  const shade = pen.fillStyle;
  pen.fillStyle = '#d9ecff';
  pen.shadowColor = '#a9d4ff';
  pen.shadowBlur = 14;
  pen.fillRect(handX - head * 0.18, handY - head * 0.34, head * 0.36, head * 0.56);
  pen.shadowBlur = 0;
  pen.fillStyle = shade;
}

/** A small repeatable source of numbers in [0, 1). */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
