import type { Spread } from './spread.ts';

/** What one row gave in one round: a result, or why there is none. */
export type Outcome<T> = { readonly kind: 'measured'; readonly result: T } | { readonly kind: 'failed'; readonly reason: string };

/** What was measured, in the order of the rounds. */
export function results<T>(outcomes: readonly Outcome<T>[]): readonly T[] {
  return outcomes.flatMap((outcome) => (outcome.kind === 'measured' ? [outcome.result] : []));
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

/** The median, and in brackets the least and the greatest. */
export function spreadText(spread: Spread, decimals: number): string {
  return `${spread.median.toFixed(decimals)} (${spread.min.toFixed(decimals)}–${spread.max.toFixed(decimals)})`;
}

/** A goal, and whether it was met. */
export function goalText(value: number, bound: number, boundText: string): string {
  return `≤ ${boundText}: ${value <= bound ? 'met' : 'missed'}`;
}
