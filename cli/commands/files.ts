import { createReadStream } from 'node:fs';
import { readChunks } from '../../core/process/bounded-read.ts';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import type { Secret } from '../places/url-place.ts';

/** A file or a pipe, such as a shell's `<(…)`. @throws CommandFault `usage`, also beyond the bound */
export async function readBytes(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const read = await readChunks(createReadStream(path), bytesMax);
    if (read.kind === 'whole') return read.bytes;
  } catch (error) {
    throw new CommandFault('usage', `${path} can't be read: ${wordsOf(error)}`, { cause: error });
  }
  throw new CommandFault('usage', `${path} has more than ${bytesMax} bytes`);
}

/** A secret of an environment variable or a file. Never of an argument: other users of the machine read those. */
export async function readSecret(
  { name, value = '' }: { readonly name: string; readonly value: string | undefined },
  file: string | undefined,
): Promise<Secret | undefined> {
  if (file === undefined) return value === '' ? undefined : { value, source: `the variable ${name}` };
  const text = (await readBytes(file, bounds.secretBytesMax)).toString().trim();
  if (text === '') throw new CommandFault('usage', `${file} is empty`);
  return { value: text, source: `the file ${file}` };
}
