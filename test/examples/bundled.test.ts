import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installedExample, unpackedSdk } from './installed-example.ts';
import { ExampleStage } from './stage.ts';

const run = promisify(execFile);
const minutes = { timeout: 180_000 };
let stage: ExampleStage;
let folderOfSdk: string;
let sdk: string;

beforeAll(async () => {
  folderOfSdk = await mkdtemp(join(tmpdir(), 'barrage-sdk-'));
  [sdk, stage] = await Promise.all([unpackedSdk(folderOfSdk), ExampleStage.open()]);
});
afterAll(async () => {
  await stage?.close();
  await rm(folderOfSdk, { recursive: true, force: true });
});

/** The example's own `npm run dev`, without npm, which would not hand a signal on. */
async function develop(folder: string): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { readonly scripts: { readonly dev: string } };
  expect(scripts.dev).toBe('vite');
  return stage.run([process.execPath, 'node_modules/vite/bin/vite.js'], /http:\/\/localhost:(\d+)/, {
    folder,
    variables: { NO_COLOR: '1' },
  });
}

async function typeFaults(folder: string): Promise<string> {
  return run('node_modules/.bin/tsc', ['-p', folder]).then(
    ({ stdout }) => stdout,
    ({ stdout }: { readonly stdout: string }) => stdout,
  );
}

test('the React component subscribes once, shows comments, gaps and refusals, and leaves the channel when it goes', minutes, async () => {
  const folder = await installedExample('react', sdk);
  expect(await typeFaults(folder)).toBe('');
  const { page, faults } = await stage.page(await develop(folder));
  await expect.poll(() => page.locator('#connection').textContent()).toBe('open');
  // StrictMode mounts everything twice. The first of two subscriptions takes what is published until the second begins.
  const isSubscribed = (): Promise<void> => expect.poll(() => page.locator('p[role=status]').textContent()).toMatch(/^subscribed/);
  await isSubscribed();
  // One member is left.
  await expect.poll(() => stage.publish('video:1', { text: 'who is there?' })).toBe(1);
  await page.locator('li', { hasText: 'who is there?' }).first().waitFor();
  await page.getByPlaceholder('Say something').fill('<b>from a form</b>');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('li', { hasText: '<b>from a form</b>' }).waitFor();

  await stage.whileCutOff(async () => {
    await expect.poll(() => page.locator('#connection').textContent()).not.toBe('open');
    for (const text of ['one', 'two', 'three']) await stage.publish('video:1', { text });
  });
  await expect.poll(() => page.locator('li.gap').textContent()).toBe('Missed comments: 3');

  await page.getByRole('button', { name: 'Hide' }).click();
  await expect.poll(() => stage.publish('video:1', { text: 'nobody sees this' })).toBe(0);
  expect(await page.locator('#connection').textContent()).toBe('open');
  await page.getByRole('button', { name: 'Show' }).click();
  await isSubscribed();
  expect(await stage.publish('video:1', { text: 'back again' })).toBe(1);
  await page.locator('li', { hasText: 'back again' }).first().waitFor();
  expect(await page.locator('li', { hasText: 'nobody sees this' }).count()).toBe(0);
  expect(faults).toEqual([]);
  await page.close();
});

test(
  'a page of another port is taken by a gateway on loopback; any other gateway refuses it until its origin is listed',
  minutes,
  async () => {
    const folder = await installedExample('vite', sdk);
    expect(await typeFaults(folder)).toBe('');
    const url = await develop(folder);
    const { origin } = new URL(url);
    const readme = await readFile('examples/vite/README.md', 'utf8');
    const shown = async (): Promise<readonly [state: string | null, why: string | null]> => {
      const { page } = await stage.page(url);
      const state = page.locator('#state');
      await expect.poll(async () => (await state.textContent()) === 'open' || (await page.locator('#why').textContent()) !== '').toBe(true);
      const said = [await state.textContent(), await page.locator('#why').textContent()] as const;
      await page.close();
      return said;
    };
    expect(await shown()).toEqual(['open', '']);

    const [, open] = /^(BARRAGE_GATEWAY_HOST=\S+) npm start/m.exec(readme) ?? [];
    expect(open).toBe('BARRAGE_GATEWAY_HOST=0.0.0.0');
    await stage.serve({ BARRAGE_GATEWAY_HOST: '0.0.0.0' });
    const refused = `The gateway answers, and takes no connection of this page. Add ${origin} to BARRAGE_GATEWAY_ORIGINS.`;
    expect(await shown()).toEqual([expect.not.stringMatching('open'), refused]);

    expect(readme).toContain('BARRAGE_GATEWAY_ORIGINS=http://localhost:5173');
    await stage.serve({ BARRAGE_GATEWAY_HOST: '0.0.0.0', BARRAGE_GATEWAY_ORIGINS: origin });
    const { page, faults } = await stage.page(url);
    await expect.poll(() => page.locator('#state').textContent()).toBe('open');
    await expect.poll(() => stage.publish('video:1', { text: 'let in' })).toBe(1);
    await page.locator('li', { hasText: 'let in' }).first().waitFor();
    expect(faults).toEqual([]);

    const { stdout } = await run(process.execPath, ['node_modules/vite/bin/vite.js', 'build'], { cwd: folder });
    expect(stdout).toMatch(/dist\/assets\/index-.+\.js/);
  },
);
