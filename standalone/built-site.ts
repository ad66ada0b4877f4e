import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Page } from './site.ts';

const folder = new URL('./site/', import.meta.url);
const index = z.array(z.object({ path: z.string(), contentType: z.string(), file: z.string() }));

/** The demo's pages as the image has them: ready, since it has no bundler. `undefined` where there are none. */
export async function readBuiltSite(): Promise<ReadonlyMap<string, Page> | undefined> {
  let text;
  try {
    text = await readFile(new URL('site.json', folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const pages = index.parse(JSON.parse(text));
  return new Map(
    await Promise.all(
      pages.map(async ({ path, contentType, file }) => [path, { contentType, body: await readFile(new URL(file, folder)) }] as const),
    ),
  );
}
