import { isDarkColour, type CommentMode, type CommentPayload } from './comment.ts';
import { Flight } from './flight.ts';
import { Lanes } from './lanes.ts';
import type { DisplaySettings } from './settings.ts';

/** Most comments that wait for a place. */
const waitingMax = 120;
/** Comments that may enter at once after a quiet time. */
const burstMax = 24;
/** Longest wait for a place, in milliseconds. A comment that is shown later belongs to another moment. */
const waitMsMax = 2500;
/**
 * Width of a stage, in pixels, on which comments have the size of their sender. Narrower stages scale down, to a bound.
 */
const fullSizeWidthPx = 800;
const smallestScale = 0.6;
/**
 * Area, in square pixels, for which the setting of the most comments on the screen is meant; smaller stages hold fewer.
 */
const fullAreaPx = 600_000;
const fewestOnScreen = 10;
const lineHeight = 1.3;
/** Distance of the text from the edges of its box, in pixels. */
const paddingPx = 8;

/** A comment that is to fly. */
interface Offered {
  readonly comment: CommentPayload;
  readonly own: boolean;
  /** Of its publication. */
  readonly offset: number;
}

interface Waiting extends Offered {
  readonly dueAt: number;
  readonly box: { readonly mode: CommentMode; readonly width: number; readonly height: number; readonly fontPx: number };
}

/**
 * The screen on which comments fly.
 *
 * A comment that finds no free place waits a moment. Then it is not shown, and is counted: no comment is drawn
 * over another one of its layer, unless the viewer allows it. Comments enter at the pace at which a full screen renews
 * itself. So a rush fills the screen evenly, and not in columns with nothing between. Nodes are used again. The
 * comments that wait, those that fly and the kept nodes are all bounded.
 */
export class Stage {
  readonly #container: HTMLElement;
  readonly #notShown: (count: number) => void;
  readonly #reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #flight: Flight;
  readonly #pen: CanvasRenderingContext2D | null = document.createElement('canvas').getContext('2d');
  readonly #fontFamily: string;
  #lanes: Lanes;
  #width = 0;
  #height = 0;
  #settings: DisplaySettings;
  #waiting: Waiting[] = [];
  #spare: HTMLElement[] = [];
  #frame = 0;
  #entries = burstMax;
  #pacedAt = 0;

  constructor(options: {
    readonly container: HTMLElement;
    readonly settings: DisplaySettings;
    readonly notShown: (count: number) => void;
  }) {
    this.#container = options.container;
    this.#settings = options.settings;
    this.#notShown = options.notShown;
    this.#fontFamily = getComputedStyle(options.container).fontFamily;
    this.#flight = new Flight(options.container, options.settings.seconds * 1000);
    this.#lanes = this.#measure();
    new ResizeObserver(() => this.#resized()).observe(options.container);
  }

  /** Comments on the screen now. */
  get flying(): number {
    return this.#flight.count;
  }

  /** Numbers of held objects, for comments to come or gone: for a test that they stay bounded. */
  get held(): { readonly waiting: number; readonly spare: number; readonly backlog: number } {
    return { waiting: this.#waiting.length, spare: this.#spare.length, backlog: this.#flight.backlog };
  }

  /** Shows a comment after a delay in milliseconds, so that the comments of one batch don't enter in one column. */
  offer(offered: Offered, delayMs: number): void {
    if (!this.#settings.on) return;
    const entry = { ...offered, dueAt: performance.now() + delayMs, box: this.#box(offered.comment) };
    if (offered.own) this.#waiting.unshift(entry);
    else this.#waiting.push(entry);
    if (this.#waiting.length > waitingMax) {
      // The oldest comment that is not the viewer's own is dropped: later ones are nearer to the present moment.
      const index = this.#waiting.findIndex((waiting) => !waiting.own);
      this.#waiting.splice(Math.max(0, index), 1);
      this.#notShown(1);
    }
    this.#wake();
  }

  configure(settings: DisplaySettings): void {
    const before = this.#settings;
    this.#settings = settings;
    this.#container.style.opacity = String(settings.opacity / 100);
    if (before.seconds === settings.seconds) return;
    this.#flight.retime(settings.seconds * 1000);
    this.#lanes.retime(settings.seconds * 1000, performance.now());
  }

  /** Takes comments off the screen, those that wait too. */
  remove(isUnwanted: (offset: number) => boolean): void {
    this.#waiting = this.#waiting.filter(({ offset }) => !isUnwanted(offset));
    this.#flight.vanish(isUnwanted);
  }

  /** Takes everything off the screen, and drops the waiting comments. */
  clear(): void {
    this.#waiting = [];
    for (const node of this.#flight.clear()) this.#recycle(node);
    this.#lanes.clear();
  }

  show(): void {
    this.#flight.show();
    this.#wake();
  }

  /** Stops all animation, and clears. */
  hide(): void {
    this.clear();
    this.#flight.hide();
  }

  #wake(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#step());
  }

  #step(): void {
    this.#frame = 0;
    for (const node of this.#flight.landed()) this.#recycle(node);
    this.#place(performance.now());
    if (this.#waiting.length > 0 || this.#flight.count > 0) this.#wake();
  }

  #place(now: number): void {
    const capacity = this.#capacity;
    const pacePerMs = capacity / (this.#settings.seconds * 1000);
    this.#entries = Math.min(burstMax, this.#entries + (now - this.#pacedAt) * pacePerMs);
    this.#pacedAt = now;
    // A zone that has refused a comment in this frame refuses every comment as tall.
    const refused = new Map<CommentMode, number>();
    const kept: Waiting[] = [];
    let tooLate = 0;
    for (const waiting of this.#waiting) {
      const { box } = waiting;
      const full =
        this.#entries < 1 ||
        this.#flight.count >= this.#settings.screenMax ||
        box.height >= (refused.get(box.mode) ?? Number.POSITIVE_INFINITY);
      if (waiting.dueAt > now) {
        kept.push(waiting);
        continue;
      }
      const y = full ? undefined : (this.#lanes.place(box, now) ?? (this.#settings.overlap ? this.#lanes.overlapping(box) : undefined));
      if (y !== undefined) {
        this.#entries--;
        const { offset } = waiting;
        this.#flight.launch({ node: this.#node(waiting), y, width: box.width, height: box.height, mode: box.mode, offset });
        continue;
      }
      if (!full) refused.set(box.mode, box.height);
      if (now - waiting.dueAt < waitMsMax) kept.push(waiting);
      else tooLate++;
    }
    this.#waiting = kept;
    if (tooLate > 0) this.#notShown(tooLate);
  }

  #box(comment: CommentPayload): Waiting['box'] {
    const moves = comment.mode === 'scroll' || comment.mode === 'reverse';
    const mode = moves && this.#reducedMotion.matches ? 'top' : comment.mode;
    const scale = Math.min(1, Math.max(smallestScale, this.#width / fullSizeWidthPx)) * (this.#settings.scale / 100);
    const fontPx = Math.max(10, Math.min(comment.size * scale, this.#lanes.heightMax(mode) / lineHeight - 1));
    if (this.#pen !== null) this.#pen.font = `600 ${fontPx}px ${this.#fontFamily}`;
    const textWidth = this.#pen?.measureText(comment.text).width ?? comment.text.length * fontPx;
    const widthMax = this.#width * (mode === comment.mode && moves ? 2 : 0.92);
    return { mode, width: Math.ceil(Math.min(textWidth + 2 * paddingPx, widthMax)), height: Math.ceil(fontPx * lineHeight), fontPx };
  }

  #node({ comment, own, box }: Waiting): HTMLElement {
    const node = this.#spare.pop() ?? document.createElement('div');
    node.className = `flying ${box.mode}`;
    node.classList.toggle('own', own);
    node.classList.toggle('dark', isDarkColour(comment.color));
    node.textContent = comment.text;
    const { style } = node;
    style.visibility = '';
    style.color = comment.color;
    style.fontSize = `${box.fontPx}px`;
    style.lineHeight = `${box.height}px`;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
    // The node is outside of the stage until the library has placed it for the first time.
    style.transform = `translate(${this.#width}px, 0)`;
    return node;
  }

  #recycle(node: HTMLElement): void {
    if (this.#spare.length >= this.#capacity) return;
    node.textContent = '';
    this.#spare.push(node);
  }

  #resized(): void {
    const { offsetWidth, offsetHeight } = this.#container;
    if (offsetWidth === this.#width && offsetHeight === this.#height) return;
    // The places are wrong on a stage of another size.
    this.clear();
    this.#lanes = this.#measure();
    this.#flight.resize();
  }

  /** The most comments at a time on a stage of this size. */
  get #capacity(): number {
    const share = Math.min(1, Math.sqrt((this.#width * this.#height) / fullAreaPx));
    return Math.max(fewestOnScreen, Math.round(this.#settings.screenMax * share));
  }

  #measure(): Lanes {
    this.#width = this.#container.offsetWidth;
    this.#height = this.#container.offsetHeight;
    return new Lanes({ width: this.#width, height: this.#height, durationMs: this.#settings.seconds * 1000 });
  }
}
