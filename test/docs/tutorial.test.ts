import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { freePort } from '../support/free-port.ts';
import { codeBlocks } from './code-blocks.ts';

const blocks = codeBlocks(readFileSync('docs/tutorial.md', 'utf8'));
/** What is typed into terminals: secrets, Barrage, the backend's package, the backend, and what the moderator types. */
const shell = blocks.filter(({ language }) => language === 'sh');

let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});

afterAll(() => browser?.close());

/** A folder that looks like Barrage's own, in which the tutorial may write. */
function checkout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'barrage-tutorial-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of readdirSync('.'))
    if (!['.git', '.cache', 'dist', 'show'].includes(name)) symlinkSync(resolve(name), join(folder, name));
  return folder;
}

/** Starts what runs on, in a process group of its own that ends with the test. */
function start(command: string, cwd: string): void {
  const started = spawn('sh', ['-c', command], { cwd, env: neutralEnvironment(), detached: true, stdio: 'ignore' });
  onTestFinished(() => {
    try {
      process.kill(-(started.pid ?? 0), 'SIGKILL');
    } catch {
      // It has ended.
    }
  });
}

function comments(page: Page): Promise<string[]> {
  return page.locator('main span').allTextContents();
}

test('the tutorial, to the letter: two users, a comment, a recall', { timeout: 180_000 }, async () => {
  const cwd = checkout();
  const [gateway, publisher, backend] = [await freePort(), await freePort(), await freePort()];
  const places: Readonly<Record<string, string>> = {
    'localhost:6790': `localhost:${gateway}`,
    'localhost:6789': `localhost:${publisher}`,
    '8080': `${backend}`,
  };
  // In one go: a port that was put in may hold the digits of another.
  const here = (text: string): string => text.replaceAll(/localhost:6790|localhost:6789|8080/g, (place) => places[place] ?? place);
  const [secrets, barrage, build, serve, moderate] = shell.map(({ code }) => here(code));
  expect(shell).toHaveLength(5);
  const run = (command = ''): Promise<{ stdout: string }> =>
    promisify(execFile)('sh', ['-ec', command], { cwd, env: neutralEnvironment(), timeout: 120_000 });

  await run(secrets);
  const files = blocks.filter(({ words }) => words.startsWith('show/'));
  expect(files.map(({ words }) => words)).toEqual(['show/policies.yaml', 'show/backend.mjs', 'show/page.html']);
  for (const { words, code } of files) {
    mkdirSync(dirname(join(cwd, words)), { recursive: true });
    writeFileSync(join(cwd, words), here(code));
  }
  start(`export BARRAGE_GATEWAY_PORT=${gateway} BARRAGE_PUBLISHER_PORT=${publisher} BARRAGE_DRAIN_MS=0\n${barrage}`, cwd);
  await run(build);
  start(serve ?? '', cwd);
  const answers = (url: string) => async (): Promise<number> => (await fetch(url).catch(() => undefined))?.status ?? 0;
  await expect.poll(answers(`http://localhost:${gateway}/barrage.js`), { timeout: 60_000 }).toBe(200);
  await expect.poll(answers(`http://localhost:${backend}/`), { timeout: 60_000 }).toBe(200);

  const open = async (user: string): Promise<Page> => {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(`http://localhost:${backend}/?user=${user}`);
    return page;
  };
  const [alice, bob] = [await open('alice'), await open('bob')];
  // Until both are in the channel, a comment has fewer viewers.
  const viewers = async (): Promise<string> =>
    (await fetch(`http://localhost:${backend}/comment?user=carol&text=hi`, { method: 'POST' })).text();
  await expect.poll(viewers, { timeout: 60_000 }).toBe('viewers: 2\n');
  await alice.locator('input').fill('Hello, 弹幕!');
  await alice.locator('button').click();
  for (const page of [alice, bob]) await expect.poll(() => comments(page)).toContain('Hello, 弹幕!');

  expect((await run(moderate)).stdout).toBe('comments recalled: 1\n');
  for (const page of [alice, bob]) await expect.poll(() => comments(page)).not.toContain('Hello, 弹幕!');
  await expect.poll(() => alice.locator('output').textContent()).toContain('A moderator');
  expect(await bob.locator('output').textContent()).toBe('');
  const refused = await fetch(`http://localhost:${backend}/comment?user=eve&text=${'x'.repeat(101)}`, { method: 'POST' });
  expect([refused.status, await refused.text()]).toEqual([400, 'too long\n']);
});
