import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Locator, Page } from 'playwright-core';
import { installedExample } from './installed-example.ts';
import { ExampleStage } from './stage.ts';

let stage: ExampleStage;

beforeAll(async () => {
  stage = await ExampleStage.open();
});
afterAll(() => stage?.close());

/** The command of an example's README that begins with these words. */
async function command(name: string, begin: string): Promise<readonly [program: string, ...args: string[]]> {
  const readme = await readFile(join('examples', name, 'README.md'), 'utf8');
  const line = readme.split('\n').find((each) => each.startsWith(begin)) ?? '';
  const [program = '', ...args] = line.replace(/#.*$/, '').trim().split(/\s+/);
  return [program === 'node' ? process.execPath : program, ...args];
}

test('the page without a build shows what a backend and a visitor publish', async () => {
  const [program, ...args] = await command('page', 'python3 ');
  const anyPort = args.map((arg) => (arg === '8000' ? '0' : arg));
  const url = await stage.run([program, ...anyPort], /port (\d+)/, { variables: { PYTHONUNBUFFERED: '1' } });
  const { page, faults } = await stage.page(url);
  await page.getByText('open', { exact: true }).waitFor();
  await expect.poll(() => stage.publish('video:1', { like: true })).toBe(1);
  await stage.publish('video:1', { text: 'from <i>a</i> backend' });
  await page.locator('#stage p', { hasText: 'from <i>a</i> backend' }).waitFor({ state: 'attached' });
  await stage.publish('video:1', 'a plain text');
  await page.locator('#stage p', { hasText: 'a plain text' }).waitFor({ state: 'attached' });
  await page.getByPlaceholder('Say something').fill('from a visitor');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('#stage p', { hasText: 'from a visitor' }).waitFor({ state: 'attached' });
  await expect.poll(() => page.getByPlaceholder('Say something').inputValue()).toBe('');
  expect(faults).toEqual([]);
  await page.close();
});

test('a comment crosses from the emitter to the screen, with Socket.IO and with Barrage, which also says why one is refused', async () => {
  const folder = await installedExample('socket-io');
  const variables = { PORT: '0' };
  const before = await stage.run([process.execPath, 'before/server.js'], /localhost:(\d+)/, { folder, variables });
  const after = await stage.run(await command('socket-io', 'node '), /localhost:(\d+)/, { variables });
  const [, policies = ''] = /BARRAGE_POLICY_FILE=(\S+)/.exec((await command('socket-io', 'npm ci ')).join(' ')) ?? [];
  await stage.serve({ BARRAGE_POLICY_FILE: policies });
  for (const url of [before, after]) {
    const [screen, phone] = await Promise.all([stage.page(url), stage.page(`${url}emit`)]);
    const said = screen.page.locator('#stage p', { hasText: '<b>弹幕</b>' });
    // A screen that has not joined yet gets nothing, with both.
    await expect
      .poll(async () => {
        await phone.page.locator('textarea').fill('<b>弹幕</b>');
        await phone.page.locator('[name=mode]').selectOption('top');
        await phone.page.locator('[name=color]').fill('#ff0000');
        await phone.page.getByRole('button').click();
        return said.count();
      })
      .toBeGreaterThan(0);
    expect(await said.first().evaluate((comment) => [comment.style.color, comment.style.fontSize])).toEqual(['rgb(255, 0, 0)', '25px']);
    if (url === after) await expect.poll(() => twoAtOnce(phone.page)).toContain('slow mode');
    expect([...screen.faults, ...phone.faults]).toEqual([]);
    await Promise.all([screen.page.close(), phone.page.close()]);
  }
});

/** Sends two comments in one turn. @returns what the page says of the last one */
async function twoAtOnce(page: Page): Promise<string> {
  await page.evaluate(() => {
    const form = document.querySelector('form');
    const text = document.querySelector('textarea');
    for (const words of ['one', 'two']) {
      if (text !== null) text.value = words;
      form?.requestSubmit();
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  return page.locator('output').textContent().then(String);
}

test('in the voice room all see who is there, raised hands, microphones and gifts; after a cut the state is asked for again', async () => {
  const variables = { PORT: '0', BARRAGE_PUBLISHER: stage.publisherUrl };
  const url = await stage.run(await command('voice-room', 'node '), /localhost:(\d+)/, { variables });
  const join = async (name: string): Promise<{ readonly page: Page; readonly faults: readonly string[] }> => {
    const opened = await stage.page(url);
    const form = opened.page.getByRole('button', { name: 'Join' });
    await opened.page.getByPlaceholder('Your name').fill(name);
    await expect
      .poll(
        async () => {
          if (await form.isVisible()) await form.click();
          return form.isVisible();
        },
        { interval: 500 },
      )
      .toBe(false);
    await opened.page.locator('li', { hasText: name }).waitFor();
    return opened;
  };
  const host = await join('Ada');
  const guest = await join('小林');
  const line = (page: Page, name: string) => page.locator('li', { hasText: name });

  // A browser gives up requests when the networks of the machine change, as other tests do: it is pressed again.
  const pressed = async (button: Locator, seen: () => Promise<string | null>, words: string): Promise<void> => {
    const hasIt = async (): Promise<boolean> => (await seen())?.includes(words) === true;
    await expect
      .poll(
        async () => {
          if (!(await hasIt()) && (await button.isVisible())) await button.click();
          return hasIt();
        },
        { interval: 500 },
      )
      .toBe(true);
  };
  await pressed(guest.page.locator('#hand'), () => line(host.page, '小林').textContent(), '🔇 小林 ✋');
  // Of many changes at once the last one counts, whatever was merged on the way.
  await guest.page.evaluate(() => {
    for (let press = 0; press < 20; press++) document.querySelector<HTMLElement>('#hand')?.click();
  });
  await pressed(guest.page.locator('#mute'), () => line(host.page, '小林').textContent(), '🎙 小林 Give');
  await pressed(host.page.getByRole('button', { name: 'Mute', exact: true }), () => line(guest.page, '小林').textContent(), '🔇 小林');
  await pressed(
    guest.page.getByRole('button', { name: 'Give a rose' }),
    () => host.page.locator('#gift').textContent(),
    '小林 gave Ada 🌹',
  );

  // While nobody is connected somebody comes; a state that is asked for again has them.
  await stage.whileCutOff(async () => {
    const response = await fetch(`${url}join`, { method: 'POST', body: JSON.stringify({ name: 'Late' }) });
    expect(response.status).toBe(200);
  });
  await line(host.page, 'Late').waitFor();
  expect(await line(host.page, 'Ada').textContent()).toMatch(/Ada \(host\) 🌹×\d/);
  await host.page.close();
  await expect.poll(() => line(guest.page, '小林').textContent()).toContain('(host)');
  await expect.poll(() => line(guest.page, 'Ada').count()).toBe(0);
  for (const [body, status] of [
    ['{"key":"somebody else\'s","kind":"mute"}', 401],
    ['{"name":', 400],
    [JSON.stringify({ name: 'x'.repeat(2_000) }), 413],
  ] as const) {
    const response = await fetch(`${url}${status === 401 ? 'act' : 'join'}`, { method: 'POST', body });
    expect([response.status, typeof ((await response.json()) as { readonly error: unknown }).error]).toEqual([status, 'string']);
  }
  expect([...host.faults, ...guest.faults]).toEqual([]);
});
