import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { parseComments, payloadOf, type Comment } from '../../client/replay/comments.ts';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { startStandalone, type Standalone } from '../../standalone/standalone.ts';
import { launchChromium } from '../support/chromium.ts';
import { animationFile, animationSize, framesMax, screenshotFile, screenshotSize } from './pictures.ts';

/**
 * Makes the pictures of README.md: the demo's screen in a real Chromium, while the sample comments are published to a
 * real gateway. It needs Chromium and a Chinese font, as the tests do; sharp, which npm brings, encodes.
 */

/** Comments a second: a lively room. */
const commentsPerSecond = 9;
/** Frames until the screen is full of comments. */
const framesBefore = 75;
const frameMs = 100;
/** What the font of the tests can draw. */
const drawable = /^[\p{Script=Latin}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{ASCII}ー♪!?。、¿¡…\s]+$/u;

/** As many comments as are shown, from the liveliest seconds of the file on. */
function liveliest(comments: readonly Comment[], count: number): readonly Comment[] {
  const spanFrom = (first: number): number => (comments[first + count - 1]?.atSeconds ?? Infinity) - (comments[first]?.atSeconds ?? 0);
  const firsts = comments.map((_, index) => index).toSorted((one, other) => spanFrom(one) - spanFrom(other));
  return comments.slice(firsts[0] ?? 0, (firsts[0] ?? 0) + count);
}

async function publish({ publisherPort }: Standalone, payload: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${publisherPort}/v1/mesh/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ c: 'video:1', d: payload }),
  });
  if (response.status !== 200) throw new Error(`not published: ${await response.text()}`);
}

/**
 * Frames of the page, one each `frameMs` of its own time. The page's clock stands still between them, so that a busy
 * machine makes the same film as a quiet one.
 * @param before called before each frame, with its number
 */
async function film(page: Page, before: (frame: number) => Promise<void>): Promise<readonly Buffer[]> {
  const frames: Buffer[] = [];
  for (let frame = 0; frame < framesBefore + framesMax; frame += 1) {
    await before(frame);
    await page.clock.runFor(frameMs);
    if (frame < framesBefore) continue;
    // The page's clock is not the gateway's here: the delay that it reckons is none.
    await page.locator('#number-age').evaluate((node) => (node.textContent = '–'));
    frames.push(await page.screenshot());
  }
  return frames;
}

async function encode(frames: readonly Buffer[]): Promise<Buffer> {
  const { width, height } = animationSize;
  const images = await Promise.all(frames.map((image) => sharp(image).resize(width, height).png().toBuffer()));
  return sharp(images, { join: { animated: true } })
    .webp({ loop: 0, delay: frameMs, quality: 40, effort: 6, minSize: true })
    .toBuffer();
}

async function main(): Promise<void> {
  const read = readSettings({ BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', BARRAGE_DRAIN_MS: '0', BARRAGE_LOG_LEVEL: 'silent' });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  const parsed = parseComments(readFileSync('examples/comments/concert.xml'));
  if (parsed.kind === 'fault') throw new Error(parsed.reason);
  const shown = parsed.comments.filter(({ text }) => drawable.test(text));
  const comments = liveliest(shown, Math.ceil((commentsPerSecond * frameMs * (framesBefore + framesMax)) / 1000)).values();
  const barrage = await startStandalone(read.settings, createLogger({ part: 'pictures', level: 'silent' }));
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: screenshotSize });
    await page.clock.install();
    await page.goto(`http://localhost:${barrage.gatewayPort}/`);
    await page.locator('#status[data-state=open]').waitFor();
    await page.clock.pauseAt(Date.now() + 1000);
    const framesPerComment = 1000 / commentsPerSecond / frameMs;
    const frames = await film(page, async (frame) => {
      if (Math.floor(frame / framesPerComment) === Math.floor((frame - 1) / framesPerComment)) return;
      const { value: comment } = comments.next();
      if (comment !== undefined) await publish(barrage, payloadOf(comment));
    });
    mkdirSync('docs/pictures', { recursive: true });
    writeFileSync(screenshotFile, frames[0] ?? '');
    writeFileSync(animationFile, await encode(frames));
    process.stdout.write(`${screenshotFile}\n${animationFile}\n`);
  } finally {
    await browser.close();
    await barrage.close();
  }
}

await main();
