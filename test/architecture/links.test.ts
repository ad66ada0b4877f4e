import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { remark } from 'remark';
import remarkGfm from 'remark-gfm';
import remarkValidateLinks from 'remark-validate-links';
import { engine, type Options } from 'unified-engine';
import { expect, onTestFinished, test } from 'vitest';
import { documentPaths } from './documents.ts';

/** What is wrong with the links between these documents: files that are not there, and headings that no file has. */
async function brokenLinks(folder: string, paths: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const options: Options = {
      processor: remark().use(remarkGfm),
      // The engine hands a plugin its set of files, which the types of plugins don't know.
      plugins: [[remarkValidateLinks as never, { repository: false }]],
      cwd: folder,
      files: [...paths],
      extensions: ['md'],
      detectConfig: false,
      detectIgnore: false,
      output: false,
      out: false,
      // The messages are read here, and not printed.
      streamError: new PassThrough().resume(),
    };
    engine(options, (error, _code, context) => {
      if (error) reject(error);
      else resolve((context?.files ?? []).flatMap((file) => file.messages.map((message) => `${file.path}:${String(message)}`)));
    });
  });
}

test('every link between our documents leads to a file, and every anchor to a heading', async () => {
  const paths = documentPaths();
  expect(paths.length).toBeGreaterThan(40);
  expect(await brokenLinks(process.cwd(), paths)).toEqual([]);
});

test('a link to a file that is not there, and one to a heading that is not there, are found', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'barrage-links-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'docs'));
  const links = '[b](docs/b.md) [here](#a-word) [b](docs/b.md#b) ![c](docs/c.png) [b](docs/b.md#lost) [d](#d)';
  writeFileSync(join(folder, 'a.md'), `# A word\n\n${links}\n`);
  writeFileSync(join(folder, 'docs/b.md'), '# B\n\n[a](../a.md#a-word)\n');
  const found = await brokenLinks(folder, ['a.md', 'docs/b.md']);
  expect(new Set(found.map((each) => /`([^`]+)`/.exec(each)?.[1]))).toEqual(new Set(['docs/c.png', '#lost', '#d']));
});
