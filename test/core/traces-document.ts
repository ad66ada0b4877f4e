import { attributeTable, spanTable } from '../../core/trace.ts';

/** The tables of spans and attributes as Markdown: `docs/traces.md` holds them, and a test compares the two. */
export function spansDocument(): string {
  const rows = Object.entries(spanTable).map(([name, { kind, about }]) => `| \`${name}\` | ${kind} | ${about} |`);
  return ['| span | kind | what it covers |', '|---|---|---|', ...rows, ''].join('\n');
}

export function attributesDocument(): string {
  const rows = Object.entries(attributeTable).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
  return ['| attribute | meaning |', '|---|---|', ...rows, ''].join('\n');
}
