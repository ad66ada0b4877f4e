import { readFileSync, readdirSync } from 'node:fs';
import { runInThisContext } from 'node:vm';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { BarrageBackend } from '../../backend/backend.ts';
import { Barrage } from '../../client/barrage.ts';
import { TestStandalone } from '../support/standalone.ts';
import { codeBlocks, type CodeBlock } from './code-blocks.ts';

const pages = readdirSync('docs/from').toSorted();
const policies = `channels:
  - channel: '*'
    history: { size: 100 }
    access: { publish: Public }
`;
const secret = 'a secret of the tests that is long enough';

const tenCalls = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

type Side = 'before' | 'after';

function blocksOf(page: string, side: Side): readonly CodeBlock[] {
  return codeBlocks(readFileSync(`docs/from/${page}`, 'utf8')).filter(({ words }) => words === side);
}

/** The numbers of the calls that the comments of these blocks begin with. */
function callsIn(blocks: readonly CodeBlock[]): readonly number[] {
  const comments = blocks.flatMap(({ code }) => [...code.matchAll(/^ *(?:\/\/|#) (\d+\. .*)$/gm)].map(([, comment = '']) => comment));
  return comments.flatMap((comment) => [...comment.matchAll(/\b(\d+)\. /g)].map(([, call]) => Number(call)));
}

interface Prints {
  /** By the statements of the block. */
  readonly own: readonly string[];
  /** By listeners that it adds, which hear of later statements. */
  readonly heard: readonly string[];
}

/** What a block prints, by the comments behind its code; several prints have a comma between. */
function printsOf({ code }: CodeBlock): Prints {
  const lines = code.split('\n').flatMap((line) => {
    const [, comment] = /^ *[^ /].* \/\/ (.+)$/.exec(line) ?? [];
    return comment === undefined ? [] : [{ texts: comment.split(', '), listens: line.includes('.on(') }];
  });
  const texts = (listens: boolean): readonly string[] => lines.filter((line) => line.listens === listens).flatMap((line) => line.texts);
  return { own: texts(false), heard: texts(true) };
}

function allPrints(blocks: readonly CodeBlock[]): readonly string[] {
  return blocks.map(printsOf).flatMap(({ own, heard }) => [...own, ...heard]);
}

/** What of these is not among the others, each as often as it is missing. */
function lacking(expected: readonly string[], found: readonly string[]): readonly string[] {
  const left = [...found];
  return expected.filter((text) => left.indexOf(text) === -1 || left.splice(left.indexOf(text), 1).length === 0);
}

/** Waits until the blocks up to here have printed what they say, and their subscriptions are in force. */
type Settled = (blocks: number) => Promise<void>;

/** Runs the blocks one after the other as one program, and resolves with all that it printed. */
async function run(blocks: readonly CodeBlock[]): Promise<readonly string[]> {
  const barrage = await TestStandalone.withPolicies(policies, { BARRAGE_JWT_SECRET: secret });
  const token = await new SignJWT({ sub: '1001' }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(Buffer.from(secret));
  const printed: string[] = [];
  const clients: Barrage[] = [];
  const subscriptions: ReturnType<Barrage['subscribe']>[] = [];

  class RecordedBarrage extends Barrage {
    constructor(...options: ConstructorParameters<typeof Barrage>) {
      super(...options);
      clients.push(this);
      this.on('error', ({ message }) => printed.push(`error: ${message}`));
    }

    override subscribe(...options: Parameters<Barrage['subscribe']>): ReturnType<Barrage['subscribe']> {
      const subscription = super.subscribe(...options);
      subscriptions.push(subscription);
      return subscription;
    }
  }
  onTestFinished(() => clients.forEach((client) => client.close()));

  const settled: Settled = async (count) => {
    const next = blocks[count]?.code ?? '';
    const before = blocks.slice(0, count);
    // Who closes its connection hears nothing more, and at the end everything has come.
    const leaves = next === '' || next.includes('.close()');
    const expected = leaves ? allPrints(before) : before.flatMap((block) => printsOf(block).own);
    await expect.poll(() => lacking(expected, printed)).toEqual([]);
    await expect.poll(() => subscriptions.filter(({ state }) => state === 'subscribing')).toEqual([]);
  };
  const code = blocks.map((block, index) => `${block.code}\nawait settled(${index + 1});\n`).join('');
  const program = code
    .replaceAll(/^import .*$/gm, '')
    .replaceAll('console.log(', 'print(')
    .replaceAll('TOKEN', token)
    .replaceAll('localhost:6789', `localhost:${barrage.publisherPort}`)
    .replaceAll('localhost:6790', `localhost:${barrage.port}`);
  const call = runInThisContext(`(async ({ Barrage, BarrageBackend, print, settled }) => {\n${program}})`) as (
    names: Readonly<Record<string, unknown>>,
  ) => Promise<void>;
  const print = (...values: readonly unknown[]): number => printed.push(values.join(' '));
  await call({ Barrage: RecordedBarrage, BarrageBackend, print, settled });
  return printed;
}

test('each page has its five parts and ten calls, on both sides', () => {
  expect(pages).toEqual(['centrifugo.md', 'connmix.md', 'goim.md', 'pusher.md', 'socket-io.md']);
  for (const page of pages) {
    const headings = [...readFileSync(`docs/from/${page}`, 'utf8').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect([page, headings]).toEqual([page, ['The same', 'What differs', 'What is missing', 'Ten calls', 'Reasons to stay']]);
    for (const side of ['before', 'after'] as const)
      expect([page, side, callsIn(blocksOf(page, side)).toSorted((one, other) => one - other)]).toEqual([page, side, tenCalls]);
  }
});

test.each(pages)('our side of docs/from/%s runs as one program, and prints what it says', async (page) => {
  const blocks = blocksOf(page, 'after');
  expect(allPrints(blocks).length).toBeGreaterThan(3);
  expect((await run(blocks)).toSorted()).toEqual(allPrints(blocks).toSorted());
});

test('CONNMIX’s side of its page runs here unchanged', async () => {
  const blocks = blocksOf('connmix.md', 'before');
  expect((await run(blocks)).toSorted()).toEqual(allPrints(blocks).toSorted());
});
