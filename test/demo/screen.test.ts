import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { inside, Theatre, until, within } from './theatre.ts';

let theatre: Theatre;
beforeAll(async () => {
  theatre = await Theatre.open();
}, 60_000);
afterEach(() => theatre.clear());
afterAll(() => theatre?.close());

interface Box {
  readonly text: string;
  readonly mode: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Every comment on the stage, all at one moment; pixels from the stage's left upper corner. */
function boxes(page: Page): Promise<{ readonly width: number; readonly height: number; readonly comments: Box[] }> {
  return page.evaluate(() => {
    const stage = document.querySelector('#stage')?.getBoundingClientRect() ?? new DOMRect();
    const comments = [...document.querySelectorAll<HTMLElement>('.flying')].map((node) => {
      const box = node.getBoundingClientRect();
      const mode = ['scroll', 'reverse', 'top', 'bottom'].find((name) => node.classList.contains(name)) ?? '';
      const place = {
        left: box.left - stage.left,
        right: box.right - stage.left,
        top: box.top - stage.top,
        bottom: box.bottom - stage.top,
      };
      return { text: node.textContent, mode, ...place };
    });
    return { width: stage.width, height: stage.height, comments };
  });
}

async function screen(options?: Parameters<Theatre['page']>[1]) {
  const opened = await theatre.page('/', options);
  await until(opened.page, (state) => state.subscribed);
  await theatre.awaitMembers(1);
  return opened;
}

test('a published comment flies from right to left, and a reverse one from left to right', { timeout: 60_000 }, async () => {
  const { page, faults } = await screen();
  await theatre.publish({ text: 'to the left', mode: 'scroll', size: 25, color: '#00ff00' });
  await theatre.publish({ text: 'to the right', mode: 'reverse', size: 25, color: '#ff0000' });
  await until(page, (state) => state.flying === 2);
  const find = async (text: string) => (await boxes(page)).comments.find((box) => box.text === text);
  await expect.poll(async () => (await find('to the left'))?.right, within).toBeLessThan(1280);
  const [left, right] = [await find('to the left'), await find('to the right')];
  await expect.poll(async () => (await find('to the left'))?.left, within).toBeLessThan((left?.left ?? 0) - 20);
  await expect.poll(async () => (await find('to the right'))?.left, within).toBeGreaterThan((right?.left ?? 0) + 20);
  const colour = await page.locator('.flying', { hasText: 'to the left' }).evaluate((node) => getComputedStyle(node).color);
  expect(colour).toBe('rgb(0, 255, 0)');
  expect(faults).toEqual([]);
});

test('four modes land in their zones', { timeout: 60_000 }, async () => {
  const { page } = await screen();
  for (const mode of ['scroll', 'top', 'bottom', 'reverse'])
    await theatre.publish({ text: `it is ${mode}`, mode, size: 25, color: '#ffffff' });
  await until(page, (state) => state.flying === 4);
  await expect.poll(async () => (await boxes(page)).comments.length, within).toBe(4);
  const { width, height, comments } = await boxes(page);
  const of = (mode: string) => comments.find((box) => box.mode === mode) as Box;
  expect(of('top').top).toBeLessThan(height * 0.1);
  expect(of('bottom').bottom).toBeGreaterThan(height * 0.9);
  expect(of('scroll').bottom).toBeLessThan(height * 0.75);
  expect(of('reverse').top).toBeGreaterThanOrEqual(height * 0.74);
  for (const mode of ['top', 'bottom']) expect(Math.abs((of(mode).left + of(mode).right) / 2 - width / 2)).toBeLessThan(2);
});

test('text is shown as text: markup does not run, and hostile fields do not reach a style', { timeout: 60_000 }, async () => {
  const { page, faults } = await screen();
  const markup = '<img src=x onerror="globalThis.ran=1"><script>globalThis.ran=1</script>';
  await theatre.publish({ text: markup, mode: 'top', size: 18, color: 'red;background:url(http://localhost:1/x)' });
  await theatre.publish({ text: 'huge', mode: 'bottom', size: 1e9, color: '#zzzzzz' });
  await theatre.publish({ gift: '<b>x</b>', from: markup });
  await theatre.publish(markup);
  await until(page, (state) => state.feed === 4 && state.flying === 3);
  expect((await boxes(page)).comments.map(({ text }) => text)).toContain(markup);
  expect(await page.locator('#stage img, #feed img, #stage script, .gift-banner script, .gift-banner img').count()).toBe(0);
  expect(await page.evaluate(() => 'ran' in globalThis)).toBe(false);
  const huge = page.locator('.flying', { hasText: 'huge' });
  expect(await huge.evaluate((node) => [getComputedStyle(node).color, Number.parseFloat(getComputedStyle(node).fontSize) <= 64])).toEqual([
    'rgb(255, 255, 255)',
    true,
  ]);
  expect(faults).toEqual([]);
});

test('payloads of other systems are shown: CONNMIX events by their msg, anything else as plain text', { timeout: 60_000 }, async () => {
  const { page } = await screen();
  await theatre.publish({ event: '@video', data: { uid: 1001, video_id: 1, msg: 'Hello,World!' } });
  await theatre.publish('just a line');
  await theatre.publish('x'.repeat(5000));
  const lines = (): Promise<readonly string[]> => page.locator('#feed-lines li:not([hidden]) span').allTextContents();
  await expect.poll(lines, within).toEqual(['Hello,World!', 'just a line', 'x'.repeat(200)]);
});

test(
  'nothing overlaps on its layer while 600 comments of all sizes pass, and the page counts what it did not show',
  { timeout: 60_000 },
  async () => {
    const { page, faults } = await screen();
    const sizes = [12, 18, 25, 36, 45, 64];
    const modes = ['scroll', 'scroll', 'scroll', 'scroll', 'reverse', 'top', 'bottom'];
    const payloads = Array.from({ length: 600 }, (_, index) => ({
      text: `弹幕 number ${index} ${'long '.repeat(index % 7)}`.trim(),
      mode: modes[index % modes.length],
      size: sizes[(index * 5) % sizes.length],
      color: '#ffffff',
    }));
    let isPublished = false;
    const published = theatre.publishAll(payloads, 8).finally(() => (isPublished = true));
    const seen: string[] = [];
    let most = 0;
    for (let looks = 0; !isPublished || looks < 12; looks++) {
      const { comments } = await boxes(page);
      seen.push(...overlaps(comments));
      most = Math.max(most, comments.length);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await published;
    expect(seen).toEqual([]);
    expect(most).toBeGreaterThan(15);
    const state = await until(page, ({ tally, waiting }) => tally.publications >= 600 && waiting === 0);
    expect(state.tally.notShown).toBeGreaterThan(0);
    await expect.poll(() => page.locator('#number-not-shown').textContent(), within).toBe(String((await inside(page)).tally.notShown));
    expect(faults).toEqual([]);
    await page.close();
  },
);

function overlaps(comments: readonly Box[]): string[] {
  const found: string[] = [];
  const layer = ({ mode }: Box): string => (mode === 'top' || mode === 'bottom' ? 'standing' : 'moving');
  for (const [index, a] of comments.entries()) {
    for (const b of comments.slice(index + 1)) {
      // Half a pixel is the browser's rounding.
      const meets = a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5;
      if (layer(a) === layer(b) && meets) found.push(`${a.text} over ${b.text}`);
    }
  }
  return found;
}

test('likes are summed into one counter', { timeout: 60_000 }, async () => {
  const { page } = await screen();
  const before = (await inside(page)).tally.likes;
  const liker = await theatre.page('/emit');
  await liker.page.locator('#like').hover();
  await liker.page.mouse.down();
  await expect.poll(async () => (await inside(page)).tally.likes - before, within).toBeGreaterThanOrEqual(8);
  await liker.page.mouse.up();
  const accepted = Number(await liker.page.locator('#sent').textContent());
  await expect.poll(async () => (await inside(page)).tally.likes - before, within).toBeGreaterThan(accepted);
  const isShown = async (): Promise<boolean> => (await page.locator('#likes').textContent()) === String((await inside(page)).tally.likes);
  await expect.poll(isShown, within).toBe(true);
});

test('the figures show: watching, received, batch size, ping and delay', { timeout: 60_000 }, async () => {
  const { page } = await screen();
  const number = (name: string) => page.locator(`#number-${name}`).textContent();
  await expect.poll(() => number('online'), within).toBe('1');
  await expect.poll(() => number('ping'), within).toMatch(/^\d+ ms$/);
  // The rate is that of the last moments: it is 0 again for who looks late.
  const publishAndRead = async (name: string): Promise<string> => {
    await theatre.publishAll(Array.from({ length: 20 }, (_, index) => ({ text: `hello ${index}`, at: Date.now() })));
    return (await number(name)) ?? '';
  };
  await expect.poll(() => publishAndRead('batch'), within).toMatch(/^\d+\.\d$/);
  await expect.poll(() => publishAndRead('age'), within).toMatch(/^\d+ ms$/);
  await expect.poll(async () => Number(await publishAndRead('rate')), within).toBeGreaterThan(0);
  expect(await number('gaps')).toBe('0');
});

test('a viewer who wants less motion gets standing comments', { timeout: 60_000 }, async () => {
  const { page } = await screen({ reducedMotion: 'reduce' });
  await theatre.publish({ text: 'calm', mode: 'scroll', size: 25 });
  await until(page, (state) => state.flying === 1);
  await expect.poll(async () => (await boxes(page)).comments[0]?.mode, within).toBe('top');
});
