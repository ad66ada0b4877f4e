import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { buildSite } from '../../client/demo/site.ts';
import { violations } from '../support/axe.ts';
import { launchChromium } from '../support/chromium.ts';
import { TestStandalone } from '../support/standalone.ts';
import { inside, Theatre, until, within } from './theatre.ts';

let theatre: Theatre;
beforeAll(async () => {
  theatre = await Theatre.open();
}, 60_000);
afterEach(() => theatre.clear());
afterAll(() => theatre?.close());

test('what the emitter sends flies across the screen, as it was chosen', { timeout: 60_000 }, async () => {
  const screen = await theatre.page('/');
  await theatre.awaitMembers(1);
  const emitter = await theatre.page('/emit');
  await emitter.page.getByText('Top', { exact: true }).click();
  await emitter.page.getByText('36', { exact: true }).click();
  await emitter.page.getByTitle('Yellow').click();
  await emitter.page.locator('#comment-text').fill('从发射页来');
  await emitter.page.locator('#comment-text').press('Enter');
  await expect.poll(() => emitter.page.locator('#log li').first().textContent(), within).toMatch(/从发射页来#\d+\d+ ms/);
  const flying = screen.page.locator('.flying.top', { hasText: '从发射页来' });
  await flying.waitFor();
  expect(
    await flying.evaluate((node) => [getComputedStyle(node).color, getComputedStyle(node).fontSize, node.classList.contains('own')]),
  ).toEqual(['rgb(255, 255, 0)', '36px', false]);
  await emitter.page.locator('.gift', { hasText: 'Rocket' }).click();
  await screen.page.locator('.gift-banner', { hasText: 'Emitter' }).waitFor();
  expect([...screen.faults, ...emitter.faults]).toEqual([]);
});

test('what a backend takes back leaves the screen and the list; the emitter shows the lines that do it', { timeout: 60_000 }, async () => {
  const screen = await theatre.page('/');
  await theatre.awaitMembers(1);
  const emitter = await theatre.page('/emit');
  const say = async (text: string, mode: string): Promise<void> => {
    await emitter.page.getByText(mode, { exact: true }).click();
    await emitter.page.locator('#comment-text').fill(text);
    await emitter.page.locator('#comment-text').press('Enter');
    await screen.page.locator('.flying', { hasText: text }).waitFor();
  };
  /** Carries out a line that the page shows, as it stands there. */
  const run = async (line: string): Promise<unknown> => {
    const command = (await emitter.page.locator(line).textContent()) ?? '';
    const { stdout } = await promisify(execFile)('sh', ['-c', command]);
    return JSON.parse(stdout);
  };
  const lines = (): Promise<readonly string[]> => screen.page.locator('#feed-lines li:not([hidden]) span').allTextContents();
  await say('it may stay', 'Scroll');
  await say('something rude', 'Top');
  await emitter.page.locator('.gift', { hasText: 'Rocket' }).click();
  await screen.page.locator('.gift-banner', { hasText: 'Emitter' }).waitFor();
  await emitter.page.locator('#log li', { hasText: '🚀' }).waitFor();
  await say('ruder', 'Bottom');
  await expect.poll(() => emitter.page.locator('#log li').first().textContent(), within).toMatch(/ruder#\d/);
  await expect.poll(() => run('#recall-line'), within).toMatchObject({ E: null, r: { recalled: 1 } });
  await expect.poll(() => screen.page.locator('.flying', { hasText: 'ruder' }).count(), within).toBe(0);
  expect(await lines()).toEqual(['it may stay', 'something rude', expect.stringContaining('Emitter sent')]);
  expect(await screen.page.locator('.flying', { hasText: 'something rude' }).isVisible()).toBe(true);
  expect(await run('#clear-line')).toMatchObject({ E: null });
  await expect.poll(lines, within).toEqual([]);
  await expect.poll(() => screen.page.locator('.flying', { hasText: /./ }).count(), within).toBe(0);
  await expect.poll(() => screen.page.locator('.gift-banner').count(), within).toBe(0);
  // What comes after a clear is shown, also by nodes that were made empty.
  await say('welcome back', 'Top');
  expect([...screen.faults, ...emitter.faults]).toEqual([]);
});

test('a burst stops by itself, and its log is bounded', { timeout: 60_000 }, async () => {
  const { page, faults } = await theatre.page('/emit');
  await page.locator('#burst-rate').fill('50');
  await page.locator('#burst-seconds').fill('3');
  await page.locator('#burst').click();
  await page.locator('#burst.running').waitFor();
  await expect.poll(() => page.locator('#burst').textContent(), within).toBe('Start the burst');
  await expect.poll(async () => Number(await page.locator('#sent').textContent()), within).toBeGreaterThan(60);
  expect(await page.locator('#log li').count()).toBeLessThanOrEqual(100);
  expect(await page.locator('#refused').textContent()).toBe('0');
  expect(faults).toEqual([]);
});

test("a viewer's own comment is marked on the viewer's own screen, and samples are nobody's", { timeout: 60_000 }, async () => {
  const { page } = await theatre.page('/');
  await theatre.awaitMembers(1);
  await page.locator('#comment-text').fill('mine');
  await page.locator('#comment-text').press('Enter');
  await page.locator('.flying.own', { hasText: 'mine' }).waitFor();
  expect(await page.locator('#comment-text').inputValue()).toBe('');
  await page.close();
  const other = await theatre.page('/?channel=video:samples');
  await until(other.page, (state) => state.subscribed);
  await other.page.locator('#samples').click();
  await until(other.page, ({ feed }) => feed >= 3);
  expect(await other.page.locator('.own').count()).toBe(0);
});

test('a comment that is sent before the channel is subscribed waits for that, and is seen', { timeout: 60_000 }, async () => {
  const held: (() => void)[] = [];
  const { page, faults } = await theatre.page('/?channel=video:early', {
    before: (opening) =>
      opening.routeWebSocket(/./, (socket) => {
        const gateway = socket.connectToServer();
        socket.onMessage((message) => {
          if (String(message).includes('"op":"subscribe"')) held.push(() => gateway.send(message));
          else gateway.send(message);
        });
        gateway.onMessage((message) => socket.send(message));
      }),
  });
  await expect.poll(() => held.length, within).toBe(1);
  await page.locator('#comment-text').fill('too early');
  await page.locator('#comment-text').press('Enter');
  // What the press has sent has reached this test before the page answers.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  for (const release of held) release();
  await page.locator('.flying.own', { hasText: 'too early' }).waitFor();
  expect(faults).toEqual([]);
});

test('a notice ends with its cause; a comment of a shell has a delay too', { timeout: 60_000 }, async () => {
  const { page } = await theatre.page('/');
  await theatre.awaitMembers(1);
  // A notice of a lasting kind: the browser of the test may not copy.
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: { writeText: () => Promise.reject(new Error()) } }));
  await page.locator('#copy').evaluate((button) => (button as HTMLButtonElement).click());
  await page.locator('#notice', { hasText: 'does not let this page copy' }).waitFor();
  await page.locator('#comment-text').fill('it works');
  await page.locator('#comment-text').press('Enter');
  await page.locator('#notice').waitFor({ state: 'hidden', timeout: 4000 });
  await page.reload();
  await theatre.awaitMembers(1);
  await expect
    .poll(async () => {
      await theatre.publish({ text: 'from a shell' });
      return page.locator('#number-age').textContent();
    }, within)
    .toMatch(/^\d+ (ms|s)$/);
});

test('another channel is chosen by its name, which the page checks and remembers', { timeout: 60_000 }, async () => {
  const { page, faults } = await theatre.page('/');
  await page.locator('#channel-chooser summary').focus();
  await page.keyboard.press('Enter');
  // The event that says it is open comes in a later turn of the page than the key.
  await expect.poll(() => page.locator('#channel-field').inputValue(), within).toBe('video:1');
  await page.locator('#channel-field').fill('not a name');
  await page.keyboard.press('Enter');
  expect(await page.locator('#channel-field').evaluate((field) => (field as HTMLInputElement).validity.patternMismatch)).toBe(true);
  await page.locator('#channel-field').fill('video:弹幕');
  await page.keyboard.press('Enter');
  await page.waitForURL(/channel=video%3A/);
  await until(page, (state) => state.subscribed);
  expect(await page.locator('.channel-name').first().textContent()).toBe('video:弹幕');
  const recent = await page
    .locator('#recent-channels option')
    .evaluateAll((options) => options.map((each) => (each as HTMLOptionElement).value));
  expect(recent).toEqual(['video:弹幕', 'video:1']);
  expect(faults).toEqual([]);
});

test('a comment without a free place is drawn over others where the viewer allows it', { timeout: 60_000 }, async () => {
  const { page } = await theatre.page('/', { height: 420 });
  await theatre.awaitMembers(1);
  await page.locator('#tab-display').click();
  await page.locator('#setting-overlap').check();
  const crowd = Array.from({ length: 20 }, (_, index) => ({ text: `a top line that stands for a while ${index}`, mode: 'top', size: 64 }));
  await theatre.publishAll(crowd);
  await until(page, ({ flying }) => flying >= 6);
  expect(await page.evaluate(() => localStorage.getItem('barrage.display'))).toContain('"overlap":true');
  await page.locator('#setting-overlap').uncheck();
});

test('a phone on its side shows picture, panels and composer at once; full screen leaves the picture', { timeout: 60_000 }, async () => {
  const { page, faults } = await theatre.page('/?channel=video:side', { width: 844, height: 390 });
  await until(page, (state) => state.subscribed);
  const box = async (selector: string) => (await page.locator(selector).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  const [picture, side, composer] = [await box('.picture'), await box('.side'), await box('.composer')];
  expect(picture.height).toBeGreaterThan(280);
  expect(picture.width).toBeGreaterThan(560);
  expect(side.x).toBeGreaterThanOrEqual(picture.x + picture.width);
  expect(composer.y).toBeGreaterThanOrEqual(picture.y + picture.height);
  expect(composer.y + composer.height).toBeLessThanOrEqual(390);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(844);
  const hint = await box('.hint');
  expect(hint.y).toBeGreaterThanOrEqual(picture.y);
  expect(hint.y + hint.height).toBeLessThanOrEqual(picture.y + picture.height);
  await page.locator('body').press('f');
  await page.locator('body.full').waitFor();
  await expect.poll(async () => (await box('.picture')).width, within).toBeGreaterThanOrEqual(844);
  expect(await page.locator('.side').isVisible()).toBe(false);
  await page.locator('#full-screen').click();
  await page.locator('body:not(.full)').waitFor();
  expect(faults).toEqual([]);
});

test.each(['/', '/emit'])('axe finds nothing wrong with %s, in any panel', { timeout: 60_000 }, async (path) => {
  const { page } = await theatre.page(path);
  if (path === '/') {
    for (const tab of ['comments', 'display']) {
      await page.locator(`#tab-${tab}`).click();
      expect(await violations(page), tab).toEqual([]);
    }
    await page.locator('.looks summary').click();
  }
  await page.locator('#channel-chooser summary').click();
  expect(await violations(page)).toEqual([]);
});

test('an empty screen says how to begin, and its samples fill it', { timeout: 60_000 }, async () => {
  const { page, faults } = await theatre.page('/?channel=video:empty');
  await until(page, (state) => state.subscribed);
  await page.locator('#hint').waitFor();
  expect(await page.locator('#curl').textContent()).toContain('"c":"video:empty"');
  await page.locator('#samples').click();
  const state = await until(page, ({ feed, tally }) => feed >= 30 && tally.likes >= 100);
  expect(state.tally.gaps).toBe(0);
  expect(await page.locator('#hint').isHidden()).toBe(true);
  expect(faults).toEqual([]);
});

test('a shell takes the line to copy as it is meant, whatever the channel is called', { timeout: 60_000 }, async () => {
  const channel = "video:it's;$(echo${IFS}gone)";
  const { page } = await theatre.page(`/?channel=${encodeURIComponent(channel)}`);
  await expect.poll(() => page.locator('#curl').textContent(), within).toContain('/v1/mesh/publish');
  const line = (await page.locator('#curl').textContent()) ?? '';
  const { stdout } = await promisify(execFile)('sh', ['-c', line.replace(/^curl /, String.raw`printf '%s\n' `)]);
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual({ c: channel, d: 'Hello, 弹幕!' });
});

test('where the publisher has keys, the lines for a shell present one, and both pages say to set it', { timeout: 60_000 }, async () => {
  const key = 'a-key-of-this-test';
  const { port } = await TestStandalone.start({ BARRAGE_API_KEYS: key });
  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  await expect.poll(() => page.locator('#curl').textContent(), within).toContain('$BARRAGE_API_KEY');
  const line = (await page.locator('#curl').textContent()) ?? '';
  const env = { ...process.env, BARRAGE_API_KEY: key };
  const { stdout } = await promisify(execFile)('sh', ['-c', line.replace('curl ', 'curl -sS ')], { env });
  expect(JSON.parse(stdout)).toMatchObject({ E: null });
  const refused = await promisify(execFile)('sh', ['-c', line.replace('curl ', 'curl -sS ')], {
    env: { ...env, BARRAGE_API_KEY: 'another' },
  });
  expect(JSON.parse(refused.stdout)).toMatchObject({ E: { m: 'this API key is not known here' } });
  expect(await page.locator('.api-key').getAttribute('hidden')).toBeNull();
  await page.goto(`http://127.0.0.1:${port}/emit`);
  await expect.poll(() => page.locator('.api-key').isVisible(), within).toBe(true);
});

test('Chinese has glyphs of its own', { timeout: 60_000 }, async () => {
  const { page } = await theatre.page('/');
  // What no font has is drawn alike, as the box for missing glyphs.
  const same = await page.evaluate(() => {
    const draw = (text: string): string => {
      const canvas = document.createElement('canvas');
      const pen = canvas.getContext('2d');
      const stage = document.querySelector('#stage');
      if (pen === null || stage === null) return '';
      pen.font = `600 40px ${getComputedStyle(stage).fontFamily}`;
      pen.fillText(text, 10, 60);
      return canvas.toDataURL();
    };
    return new Set(['弹', '幕', '你', '好', '\u{10fffe}'].map(draw)).size;
  });
  expect(same).toBe(5);
});

test.each([
  ['/', 390],
  ['/', 320],
  ['/emit', 390],
  ['/emit', 320],
])('%s fits a phone of %d pixels: nothing to scroll sideways, and the composer within reach', { timeout: 60_000 }, async (path, width) => {
  const { page, faults } = await theatre.page(path, { width, height: 844 });
  await theatre.publish({ text: 'a long comment that goes on and on '.repeat(5), size: 64 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  const field = await page.locator('#comment-text').boundingBox();
  expect(field?.width).toBeGreaterThan(90);
  expect((field?.y ?? 1e9) + (field?.height ?? 0)).toBeLessThan(844);
  if (path === '/') {
    for (const tab of ['numbers', 'display', 'comments']) {
      await page.locator(`#tab-${tab}`).click();
      expect(await page.locator(`#panel-${tab}`).isVisible()).toBe(true);
    }
  }
  expect(faults).toEqual([]);
  await page.close();
});

test('the screen can be used by keyboard alone', { timeout: 60_000 }, async () => {
  const { page } = await theatre.page('/');
  await page.locator('#tab-comments').focus();
  await page.keyboard.press('ArrowRight');
  expect(await page.locator('#tab-display').getAttribute('aria-selected')).toBe('true');
  await page.locator('.looks summary').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  expect(await page.locator('#choose-colour :checked').getAttribute('value')).toBe('#C0C0C0');
  await page.keyboard.press('Escape');
  expect(await page.locator('.looks').evaluate((node) => (node as HTMLDetailsElement).open)).toBe(false);
  await page.locator('#switch').focus();
  await page.keyboard.press('Space');
  await until(page, (state) => !state.subscribed);
  const before = (await inside(page)).tally.likes;
  await page.keyboard.press('Space');
  await theatre.awaitMembers(1);
  await page.locator('#like').focus();
  await page.keyboard.press('Enter');
  await until(page, (state) => state.tally.likes > before);
});

test('the site is whole: every address in a page is one of its files, and no script or style is inline', async () => {
  const site = await buildSite();
  for (const path of ['/', '/emit']) {
    const html = site.get(path)?.body.toString() ?? '';
    const addresses = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(addresses.length).toBeGreaterThan(3);
    for (const address of addresses) expect(site.has(address), address).toBe(true);
    expect(html).not.toMatch(/<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=/);
  }
});
