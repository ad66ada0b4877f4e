import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

const cache = join(import.meta.dirname, '../../.cache');
const lookEveryMs = 100;

/**
 * A folder below `.cache/` that is filled once and kept for later runs. Test processes that want it at the same time
 * wait for the one that fills it. What a killed process left half done is removed first.
 * @param name of the folder; it must tell the versions of all that is installed
 * @param install fills the folder, which is empty and is there
 */
export async function installedOnce(name: string, install: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = join(cache, name);
  const mark = join(folder, '.whole');
  if (existsSync(mark)) return folder;
  await mkdir(cache, { recursive: true });
  const free = await lock(`${folder}.lock`);
  try {
    if (existsSync(mark)) return folder;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    await install(folder);
    await writeFile(mark, '');
  } finally {
    free();
  }
  return folder;
}

/**
 * Waits for the lock of a file, which the kernel frees when its process ends. Node has no `flock`; SQLite has one.
 * @returns what frees it
 */
async function lock(path: string): Promise<() => void> {
  const database = new DatabaseSync(path);
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE');
      return () => database.close();
    } catch (error) {
      if (!(error instanceof Error && /database is locked/.test(error.message))) throw error;
      await pause(lookEveryMs);
    }
  }
}
