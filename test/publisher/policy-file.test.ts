import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Clock } from '../../core/clock.ts';
import { systemClock } from '../../core/process/system-clock.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { parsePolicyText } from '../../core/process/policy-text.ts';
import { exportPolicyFileValidity, policyFileBytesMax, watchPolicyFile, type PolicyFile } from '../../core/process/policy-file.ts';

/** For what takes milliseconds: how long a busy machine may make it. */
const soon = { timeout: 15_000 };

/** A directory with a policy file in it, and what is logged about it. */
class Directory {
  readonly path: string;
  readonly logged: { readonly level: number; readonly message: string; readonly faults?: readonly string[] }[] = [];
  readonly #files: PolicyFile[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Directory> {
    return new Directory(await mkdtemp(join(tmpdir(), 'barrage-policy-')));
  }

  get file(): string {
    return join(this.path, 'policy.yaml');
  }

  async write(text: string | Buffer): Promise<void> {
    // In one step: a look in between would find it empty.
    await writeFile(`${this.file}.new`, text);
    await rename(`${this.file}.new`, this.file);
  }

  async watch(path = this.file, clock: Pick<Clock, 'after'> = systemClock): Promise<PolicyFile> {
    const logger = pino({ messageKey: 'message' }, { write: (line: string) => void this.logged.push(JSON.parse(line)) });
    const file = await watchPolicyFile(path, logger, clock === systemClock ? { pollMs: 10 } : { clock });
    this.#files.push(file);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) file.close();
    await rm(this.path, { recursive: true });
  }
}

const windowOf = (milliseconds: number) => `channels:\n  - channel: "video:*"\n    merge: { windowMilliseconds: ${milliseconds} }\n`;
const windowIn = (file: PolicyFile) => file.policies().of('video:1').merge.windowMilliseconds;

test('a changed file comes into force by itself, and listeners hear of it', async () => {
  await using directory = await Directory.make();
  await directory.write(windowOf(40));
  const file = await directory.watch();
  expect([windowIn(file), file.valid()]).toEqual([40, true]);
  const heard: number[] = [];
  file.onChange(() => heard.push(windowIn(file)));
  await directory.write(windowOf(80));
  await expect.poll(() => windowIn(file), soon).toBe(80);
  expect(heard).toEqual([80]);
});

test('a file that is rewritten in place is taken when two looks found the same: half of it never replaces the whole', async () => {
  await using directory = await Directory.make();
  const open = 'channels:\n  - channel: "news:*"\n';
  const whole = `${open}  - channel: "video:*"\n    access: { subscribe: Authenticated }\n`;
  await directory.write(whole);
  const clock = new FakeClock();
  const starting = directory.watch(directory.file, clock);
  await expect.poll(() => clock.pending, soon).toBe(1);
  await clock.advance(100);
  const file = await starting;
  const access = () => file.policies().of('video:1').access.subscribe;
  /** One look, to its end: it sets the timer of the next. */
  const look = async () => {
    await clock.advance(1000);
    await expect.poll(() => clock.pending, soon).toBe(1);
  };
  const heard: string[] = [];
  file.onChange(() => heard.push(access()));
  for (const halfway of ['', 'channels:\n', open, '']) {
    await writeFile(directory.file, halfway);
    await look();
    expect([access(), file.valid()], halfway).toEqual(['Authenticated', true]);
  }
  await writeFile(directory.file, `${whole}# done\n`);
  await look();
  expect(heard).toEqual([]);
  await look();
  expect(heard).toEqual(['Authenticated']);
  // Nobody writes on: now it is what its author means.
  await writeFile(directory.file, open);
  await look();
  await look();
  expect(heard).toEqual(['Authenticated', 'Public']);
  await writeFile(directory.file, '');
  await look();
  await look();
  expect([access(), file.valid(), directory.logged.at(-1)?.faults]).toEqual([
    'Public',
    false,
    [expect.stringContaining('channels: [] where there are none')],
  ]);
  await writeFile(directory.file, 'channels: []\n');
  await look();
  await look();
  expect([file.valid(), heard.length]).toEqual([true, 3]);
});

test('a process that starts while the file is being written waits for the whole', async () => {
  await using directory = await Directory.make();
  await writeFile(directory.file, '');
  const clock = new FakeClock();
  const starting = directory.watch(directory.file, clock);
  await expect.poll(() => clock.pending, soon).toBe(1);
  await writeFile(directory.file, windowOf(40));
  for (let look = 0; look < 2; look++) {
    await clock.advance(100);
    await expect.poll(() => clock.pending, soon).toBe(1);
  }
  expect(windowIn(await starting)).toBe(40);
});

test('a ConfigMap’s chain of symbolic links is followed when its directory is exchanged', async () => {
  await using directory = await Directory.make();
  const version = async (name: string, milliseconds: number) => {
    await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, name, 'policy.yaml'), windowOf(milliseconds));
    await symlink(name, join(directory.path, '..next'));
    await rename(join(directory.path, '..next'), join(directory.path, '..data'));
  };
  await version('..one', 40);
  await symlink(join('..data', 'policy.yaml'), directory.file);
  const file = await directory.watch();
  await version('..two', 80);
  await expect.poll(() => windowIn(file), soon).toBe(80);
});

test('a file that goes bad or vanishes keeps the policies, says all faults once, and recovers', async () => {
  await using directory = await Directory.make();
  await directory.write(windowOf(40));
  const file = await directory.watch();
  const registry = new Registry();
  exportPolicyFileValidity(registry, file);
  const exported = async () => (await registry.getSingleMetric('barrage_policy_file_valid')?.get())?.values[0]?.value;
  expect(await exported()).toBe(1);
  let changes = 0;
  file.onChange(() => changes++);

  await directory.write('channels:\n  - channel: "video:*"\n    merge: { windowMilliseconds: 5000, speed: 1 }\n');
  await expect.poll(() => file.valid(), soon).toBe(false);
  expect(await exported()).toBe(0);
  expect(windowIn(file)).toBe(40);
  const bad = directory.logged.at(-1);
  expect(bad).toMatchObject({ event: 'policy-file-refused', level: 50, file: directory.file });
  expect(bad?.faults).toEqual([
    expect.stringMatching(/^channels\[0\]\.merge\.windowMilliseconds: .*1000/),
    expect.stringMatching(/^channels\[0\]\.merge: .*"speed"/),
  ]);

  await rm(directory.file);
  await expect.poll(() => directory.logged.at(-1)?.faults?.[0], soon).toMatch(/^it can't be read: ENOENT/);
  expect([windowIn(file), file.valid(), directory.logged.length]).toEqual([40, false, 2]);

  await directory.write(windowOf(40));
  await expect.poll(() => file.valid(), soon).toBe(true);
  expect(changes).toBe(0);
  await directory.write(windowOf(90));
  await expect.poll(() => windowIn(file), soon).toBe(90);
  expect(changes).toBe(1);
});

test('a bad file at the start is an error that lists every fault', async () => {
  await using directory = await Directory.make();
  await directory.write('channels:\n  - channel: "a b"\n  - channel: "user:*"\n  - {}\nmore: 1\n');
  const failure = await directory.watch().catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({ name: 'PolicyFileFault', code: 'policy_file_fault' });
  const message = (failure as Error).message;
  for (const words of [directory.file, 'channels[0].channel: ', 'channels[2].channel: ', '"more"']) expect(message).toContain(words);
});

test.each([
  ['nothing', '', /empty/],
  ['only a comment', '# soon\n', /empty/],
  ['a list', '- a\n', /expected object/],
  ['no YAML', 'channels: [\n', /at line \d+, column \d+/],
  ['a key twice', 'channels: []\nchannels: []\n', /at line 2/],
  ['two documents', 'channels: []\n---\nchannels: []\n', /multiple documents/],
  ['a tag that nobody knows', 'channels: !include other.yaml\n', /tag/],
  ['an alias of nothing', 'channels: *none\n', /none/],
  ['the same pattern twice', 'channels:\n  - channel: "a:*"\n  - channel: "a:*"\n', /^channels\[1\]\.channel: "a:\*" stands twice/],
  ['user channels for everybody', 'channels:\n  - channel: "user:*"\n', /^channels\[0\]\.access\.subscribe: /],
  [
    'a bomb of aliases',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(9)}]\n`)
      .join('')}channels: *i\n`,
    /alias/,
  ],
  ['a hundred thousand brackets', `channels: ${'['.repeat(100_000)}`, /./],
])('%s is a fault', (_, text, fault) => {
  const read = parsePolicyText(text);
  expect(read.kind).toBe('faults');
  expect(read.kind === 'faults' && read.faults.join('\n')).toMatch(fault);
});

test('faults beyond fifty are counted', () => {
  const read = parsePolicyText(`channels:\n${'  - channel: "a b"\n'.repeat(60)}`);
  expect(read.kind === 'faults' && read.faults.length).toBe(51);
  expect(read.kind === 'faults' && read.faults.at(-1)).toMatch(/^and \d+ more$/);
});

test('a file is read at its bound, and one byte beyond is refused', async () => {
  await using directory = await Directory.make();
  const text = windowOf(40);
  await directory.write(text.padEnd(policyFileBytesMax, '\n'));
  expect(windowIn(await directory.watch())).toBe(40);
  await directory.write(text.padEnd(policyFileBytesMax + 1, '\n'));
  await expect(directory.watch()).rejects.toThrow(/larger than 1048576 bytes/);
});

test('what is no file, or no UTF-8, is refused at once', async () => {
  await using directory = await Directory.make();
  await expect(directory.watch(directory.path)).rejects.toThrow(/not a file/);
  await expect(directory.watch('/dev/zero')).rejects.toThrow(/not a file/);
  execFileSync('sh', ['-c', 'mkfifo "$0"', join(directory.path, 'pipe')]);
  await expect(directory.watch(join(directory.path, 'pipe'))).rejects.toThrow(/not a file/);
  await directory.write(Buffer.from([0x63, 0xff]));
  await expect(directory.watch()).rejects.toThrow(/not UTF-8/);
});

test('a large file is read without holding up the process', async () => {
  await using directory = await Directory.make();
  await directory.write(windowOf(40));
  const file = await directory.watch();
  const entries = Array.from({ length: 10_000 }, (_, index) => `  - channel: "video:${index}"\n    merge: { windowMilliseconds: 80 }\n`);
  const text = `channels:\n${entries.join('')}`;
  // What this thread works, not how long it takes: a busy machine may hold it up at any moment.
  const waitingFrom = process.threadCpuUsage();
  await directory.write(text);
  await expect.poll(() => windowIn(file), soon).toBe(80);
  const waiting = process.threadCpuUsage(waitingFrom);
  const parsingFrom = process.threadCpuUsage();
  expect(parsePolicyText(text).kind).toBe('policies');
  const parsing = process.threadCpuUsage(parsingFrom);
  expect(waiting.user + waiting.system).toBeLessThan((parsing.user + parsing.system) / 2);
});

test('what takes too much memory to read is a fault and no crash', async () => {
  await using directory = await Directory.make();
  await directory.write(`channels: ${'['.repeat(policyFileBytesMax - 10)}`);
  await expect(directory.watch()).rejects.toThrow(/can't be used/);
});

test('no text makes the reader throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json({ maxDepth: 3 }),
        fc.string({ unit: fc.constantFrom(...'[]{}:-&*!|>\n "\'a,#?'.split('')) }),
      ),
      (text) => {
        expect(['policies', 'faults']).toContain(parsePolicyText(text).kind);
      },
    ),
  );
});
