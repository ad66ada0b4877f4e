import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { defaultsText } from './defaults-text.ts';
import { readDefinition } from './definition.ts';
import type { Definition } from './definition.ts';
import { referenceText } from './reference-text.ts';
import { shapesText } from './shapes-text.ts';
import { statusFile, statusText, typeFile, typeText } from './type-text.ts';

/** The APIs in the order of the reference. */
export function readDefinitions(): readonly Definition[] {
  return ['gatewaypools', 'barragechannels'].map((plural) =>
    readDefinition(readFileSync(new URL(`../../../crds/${plural}.yaml`, import.meta.url), 'utf8')),
  );
}

/** Every file that is generated from `crds/`: its text by its path from the repository's root. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const definitions = readDefinitions();
  const files = new Map<string, string>();
  for (const definition of definitions) {
    const path = `operator/api/${typeFile(definition.kind)}`;
    files.set(path, formatted(path, await typeText(definition)));
    const statusPath = `operator/api/${statusFile(definition.kind)}`;
    files.set(statusPath, formatted(statusPath, await statusText(definition)));
  }
  files.set('operator/api/defaults.ts', formatted('operator/api/defaults.ts', defaultsText(definitions)));
  files.set('operator/api/shapes.ts', formatted('operator/api/shapes.ts', shapesText(definitions)));
  files.set('docs/api.md', referenceText(definitions));
  return files;
}

/** Formats with the project's formatter, so that generated files pass its check. */
function formatted(path: string, text: string): string {
  const root = new URL('../../../', import.meta.url);
  const { status, stdout, stderr } = spawnSync('node_modules/.bin/oxfmt', [`--stdin-filepath=${path}`], {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });
  assert(status === 0, `the formatter refused ${path}: ${stderr}`);
  return stdout;
}
