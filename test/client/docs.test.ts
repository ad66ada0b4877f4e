import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { declarations } from '../../client/package/declarations.ts';
import { manifestOf } from '../../client/package/manifest.ts';

test.each(['docs/client.md', 'client/package/README.md'])(
  'the examples of %s type-check with the declarations of the package',
  async (page) => {
    const examples = [...readFileSync(page, 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code ?? '');
    expect(examples.length).toBeGreaterThanOrEqual(4);
    const folder = `.cache/examples-${page.replaceAll(/\W/g, '-')}-${process.pid}`;
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const own = join(folder, 'node_modules/@barrage-live/client');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'index.d.ts'), await declarations());
    writeFileSync(join(own, 'package.json'), JSON.stringify(manifestOf({ version: '0.0.0', license: '' })));
    for (const [index, example] of examples.entries()) writeFileSync(join(folder, `example-${index}.ts`), example);
    const project = { extends: '../../tsconfig.json', include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    const { status, stdout } = spawnSync('node_modules/.bin/tsc', ['-p', folder], { encoding: 'utf8' });
    expect([stdout, status]).toEqual(['', 0]);
  },
);
