import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * The folder of a Go module in Go's module cache, where it is downloaded once.
 * @param module `path@version`
 * @throws Error with Go's own words
 */
export async function goModuleFolder(module: string): Promise<string> {
  // Beyond any module: nothing of a go.mod decides then.
  const folder = await mkdtemp(join(tmpdir(), 'barrage-go-module-'));
  try {
    const env = { ...process.env, PATH: [process.env['PATH'], '/usr/local/go/bin'].join(delimiter) };
    const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', module], { cwd: folder, env });
    return (JSON.parse(stdout) as { readonly Dir: string }).Dir;
  } finally {
    await rm(folder, { recursive: true });
  }
}
