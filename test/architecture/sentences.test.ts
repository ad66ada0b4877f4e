import { remark } from 'remark';
import remarkGfm from 'remark-gfm';
import { expect, test } from 'vitest';
import { documentPaths, readDocument } from './documents.ts';

/** Most words between two marks that end a thought; to write well is to stay at 25. */
const wordsMax = 29;

interface DocumentNode {
  readonly type: string;
  readonly value?: string;
  readonly children?: readonly DocumentNode[];
  readonly position?: { readonly start: { readonly line: number } } | undefined;
}

const parser = remark().use(remarkGfm);

/** A text as it is read: a piece of code counts as one word. */
function readText({ type, value, children = [] }: DocumentNode): string {
  if (type === 'inlineCode') return 'code';
  if (type === 'html' || type === 'image') return '';
  return type === 'break' ? ' ' : (value ?? children.map(readText).join(''));
}

/** The parts of sentences with more than `wordsMax` words, with their places, outside of tables and blocks of code. */
function longSentences(path: string, markdown: string): readonly string[] {
  const found: string[] = [];
  const visit = (node: DocumentNode): void => {
    if (node.type === 'table' || node.type === 'code') return;
    if (node.type !== 'paragraph' && node.type !== 'heading') {
      node.children?.forEach(visit);
      return;
    }
    for (const part of readText(node).split(/(?<=[.!?:;][)”"]?)\s+/)) {
      const words = part.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
      if (words > wordsMax) found.push(`${path}:${node.position?.start.line} ${words} words: ${part}`);
    }
  };
  visit(parser.parse(markdown));
  return found;
}

test(`no sentence of our documents has more than ${wordsMax} words without a colon, a semicolon or its end`, () => {
  const paths = documentPaths();
  expect(paths.length).toBeGreaterThan(40);
  expect(paths.flatMap((path) => longSentences(path, readDocument(path)))).toEqual([]);
});

const words = (count: number): string => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');

test.each([
  ['a sentence of as many as may be', `${words(29)}.`, 0],
  ['one more', `A text.\n\n${words(30)}.`, 1],
  ['one in a list', `- ${words(30)}`, 1],
  ['two in one line', `${words(20)}. ${words(20)}.`, 0],
  ['a part before a colon, and one behind it', `${words(20)}: ${words(20)}`, 0],
  ['a number with a point in it', `${words(15)} 1.5 ${words(15)}`, 1],
  ['code and a link', `${words(26)} \`one two three four\` [${words(2)}](a/b/c)`, 0],
  ['a table', `| a |\n|---|\n| ${words(40)} |`, 0],
  ['a block of code', `\`\`\`sh\n${words(40)}\n\`\`\``, 0],
])('a planted document with %s', (_what, text, found) => {
  expect(longSentences('planted.md', text)).toHaveLength(found);
});
