import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { inside, Theatre, until, within } from './theatre.ts';

let theatre: Theatre;
beforeAll(async () => {
  theatre = await Theatre.open();
}, 60_000);
afterEach(() => theatre.clear());
afterAll(() => theatre?.close());

async function screen(channel: string) {
  const opened = await theatre.page(`/?channel=${channel}`);
  await expect.poll(() => theatre.publish('are you there?', channel), within).toBe(1);
  return opened;
}

/** Hides or shows the page as far as it can tell; a browser without a window never hides its tabs. */
async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

test('a screen that is off leaves the channel and comes back without what it missed', { timeout: 60_000 }, async () => {
  const { page, faults } = await screen('video:off');
  await until(page, (state) => state.flying > 0);
  await page.locator('#switch').click();
  await expect.poll(() => theatre.publish('to nobody', 'video:off'), within).toBe(0);
  for (let index = 0; index < 20; index++) expect(await theatre.publish(`missed ${index}`, 'video:off')).toBe(0);
  const off = await inside(page);
  expect(off).toMatchObject({ flying: 0, waiting: 0, subscribed: false });
  expect(await page.locator('.flying').count()).toBe(0);
  expect(await page.locator('#status').textContent()).toBe('Paused');
  await page.locator('#switch').click();
  await until(page, (state) => state.subscribed);
  await expect.poll(() => theatre.publish('back again', 'video:off'), within).toBe(1);
  await expect.poll(() => page.locator('#feed-lines').textContent(), within).toContain('back again');
  expect(await page.locator('#feed-lines').textContent()).not.toContain('missed');
  expect((await inside(page)).tally.gaps).toBe(0);
  expect(faults).toEqual([]);
});

test('a hidden page does not consume, however often it is hidden and shown', { timeout: 60_000 }, async () => {
  const { page } = await screen('video:hidden');
  for (const hidden of [true, false, true, false, true]) await setHidden(page, hidden);
  await expect.poll(() => theatre.publish('to nobody', 'video:hidden'), within).toBe(0);
  const before = (await inside(page)).tally.publications;
  expect(await theatre.publish('to nobody either', 'video:hidden')).toBe(0);
  expect((await inside(page)).tally.publications).toBe(before);
  await setHidden(page, false);
  await expect.poll(() => theatre.publish('back', 'video:hidden'), within).toBe(1);
  await until(page, (state) => state.tally.publications > before);
});

test(
  'the density that the viewer chooses is asked of the gateway, which leaves out the rest and counts it',
  { timeout: 60_000 },
  async () => {
    const { page } = await screen('video:1');
    await page.locator('#tab-display').click();
    await page.locator('#setting-density').fill('5');
    await expect.poll(() => page.locator('#setting-density-value').textContent(), within).toBe('5 a second');
    const leftOut = async (): Promise<number> => Number((await page.locator('#number-left-out').textContent())?.replaceAll(',', ''));
    const thick = (count: number): Promise<void> => theatre.publishAll(Array.from({ length: count }, (_, index) => `thick ${index}`));
    // The label is the page's own; that the gateway was told shows in what it leaves out.
    const leftOutOfMore = async (): Promise<number> => {
      await thick(20);
      return leftOut();
    };
    await expect.poll(leftOutOfMore, within).toBeGreaterThan(0);
    const already = await leftOut();
    await thick(400);
    await expect.poll(leftOut, within).toBeGreaterThan(already + 200);
    expect((await inside(page)).tally.gaps).toBe(0);
    // The slider's lowest place is one that the gateway takes, also from a page that comes back to the channel.
    await page.locator('#setting-density').press('Home');
    expect(await page.locator('#setting-density').inputValue()).toBe('5');
    await setHidden(page, true);
    await until(page, (state) => !state.subscribed);
    await setHidden(page, false);
    const before = (await inside(page)).tally.publications;
    await expect.poll(() => theatre.publish('back', 'video:1'), within).toBe(1);
    await until(page, (state) => state.tally.publications > before);
    await page.close();
  },
);

test('comments are held back as long as the viewer says that the player is behind', { timeout: 60_000 }, async () => {
  const { page, faults } = await screen('video:behind');
  await page.evaluate(() => {
    const shownAt: Record<string, number> = {};
    Object.assign(globalThis, { shownAt });
    const lines = document.querySelector('#feed-lines');
    if (lines === null) throw new Error('the page has no list of comments');
    const look = (): void => {
      for (const word of ['three', 'thirty']) if (lines.textContent.includes(word)) shownAt[word] ??= Date.now();
    };
    new MutationObserver(look).observe(lines, { childList: true, characterData: true, subtree: true });
  });
  const shownAt = (word: string): Promise<number | undefined> =>
    page.evaluate((name) => (globalThis as unknown as { shownAt: Record<string, number> }).shownAt[name], word);
  await page.locator('#tab-display').click();
  await page.locator('#setting-behind').fill('3');
  await expect.poll(() => page.locator('#setting-behind-value').textContent(), within).toBe('3 s');
  await page.locator('#tab-comments').click();
  const at = Date.now();
  await theatre.publish('three', 'video:behind');
  await expect.poll(() => shownAt('three'), within).toBeDefined();
  // All clocks are this machine's, which are read in whole milliseconds.
  expect(await shownAt('three')).toBeGreaterThanOrEqual(at + 3_000 - 2);
  // A slider that is drawn back lets go what it held.
  await page.locator('#tab-display').click();
  await page.locator('#setting-behind').fill('30');
  const publishedAt = Date.now();
  await theatre.publish('thirty', 'video:behind');
  await until(page, ({ held }) => held === 1);
  await expect.poll(() => page.locator('#panel-numbers .note').textContent(), within).toMatch(/^1 held back, \d+ in all$/);
  await page.locator('#setting-behind').press('Home');
  await expect.poll(() => page.locator('#setting-behind-value').textContent(), within).toBe('live');
  await page.locator('#tab-comments').click();
  await expect.poll(() => shownAt('thirty'), within).toBeDefined();
  expect(await shownAt('thirty')).toBeLessThan(publishedAt + 30_000);
  expect([(await inside(page)).held, faults]).toEqual([0, []]);
});

test('after 5,000 comments nothing has grown beyond its bound', { timeout: 120_000 }, async () => {
  const { page, faults } = await screen('video:1');
  const payloads = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      if (index % 50 === 7) return { gift: '🚀', from: `viewer ${index}` };
      if (index % 50 === 9) return { like: true };
      return { text: `第 ${index} 条弹幕`, mode: ['scroll', 'scroll', 'top', 'bottom', 'reverse'][index % 5], size: 25, color: '#ffff00' };
    });
  const session = await page.context().newCDPSession(page);
  const measure = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const { metrics } = await session.send('Performance.getMetrics');
    const metric = (name: string): number => metrics.find((entry) => entry.name === name)?.value ?? 0;
    return { nodes: metric('Nodes'), listeners: metric('JSEventListeners'), heap: metric('JSHeapUsedSize') };
  };
  await session.send('Performance.enable');
  await page.locator('#tab-display').click();
  await page.locator('#setting-seconds').fill('4');
  await page.locator('#tab-comments').click();
  await theatre.publishAll(payloads(1000));
  await until(page, (state) => state.tally.publications >= 1000);
  const warm = await measure();
  await theatre.publishAll(payloads(4000));
  const state = await until(page, ({ tally }) => tally.publications >= 5000);
  const after = await measure();
  expect(state.feed).toBe(500);
  expect(state.flying).toBeLessThanOrEqual(160);
  expect(state.waiting).toBeLessThanOrEqual(120);
  expect(state.backlog).toBeLessThanOrEqual(160);
  expect(state.spare).toBeLessThanOrEqual(160);
  expect(await page.locator('#feed-lines li').count()).toBeLessThan(60);
  expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(700);
  expect(after.listeners).toBeLessThanOrEqual(warm.listeners + 30);
  expect(after.nodes).toBeLessThan(warm.nodes + 1500);
  expect(after.heap).toBeLessThan(warm.heap + 3_000_000);
  const landed = await until(page, ({ flying, waiting }) => flying === 0 && waiting === 0);
  // The library's own list would hold every comment that ever flew.
  expect(landed.backlog).toBe(0);
  expect(faults).toEqual([]);
});

test('when the gateway goes, the page says so, and goes on when it is back', { timeout: 60_000 }, async () => {
  const { page } = await screen('video:1');
  const status = page.locator('#status');
  await theatre.restart(async () => {
    await expect.poll(() => status.textContent(), within).toMatch(/^Reconnecting… \d+ s$/);
    await page.locator('#comment-text').fill('into the void');
    await page.locator('#comment-text').press('Enter');
    await expect.poll(() => page.locator('#notice').textContent(), within).toBe('Not connected. Trying to reconnect.');
    await expect.poll(() => page.locator('#number-online').textContent(), within).toBe('–');
  });
  await expect.poll(() => status.textContent(), { timeout: 40_000 }).toBe('Live');
  await expect.poll(() => theatre.publish('we are back'), within).toBe(1);
  await expect.poll(() => page.locator('#feed-lines').textContent(), within).toContain('we are back');
});

test('where a channel takes comments from backends only, the page says so and keeps the text', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-demo-'));
  const policyFile = join(folder, 'policies.yaml');
  await writeFile(policyFile, 'channels:\n  - channel: "video:*"\n    access: { publish: Backend }\n');
  const strict = await Theatre.open(policyFile);
  try {
    const { page } = await strict.page('/');
    await page.locator('#comment-text').fill('let me in');
    await page.locator('#comment-text').press('Enter');
    await expect.poll(() => page.locator('#notice').textContent(), within).toBe('This channel takes comments from backends only.');
    expect(await page.locator('#comment-text').inputValue()).toBe('let me in');
  } finally {
    await strict.close();
    await rm(folder, { recursive: true });
  }
});
