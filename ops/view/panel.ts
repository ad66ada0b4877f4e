import type { Severity } from './advice.ts';

/** A cell of a table. */
export interface Cell {
  readonly text: string;
  /** Value to sort by; absent: the text. */
  readonly sort?: number | string;
  /** Length of the bar behind the text, 0 to 1. */
  readonly bar?: number;
  readonly level?: Severity;
  /** The whole text for a reader who points at it. */
  readonly hint?: string;
  /** A link of this site. */
  readonly link?: string;
}

export interface Column {
  readonly title: string;
  readonly kind: 'text' | 'number';
  /** Whether a narrow window leaves it out. */
  readonly isMinor?: boolean;
}

export interface Row {
  /** The same row of the next second has the same key. */
  readonly key: string;
  readonly cells: readonly Cell[];
  readonly isChosen?: boolean;
}

export interface TablePanel {
  readonly kind: 'table';
  readonly id: string;
  readonly title: string;
  /** What the rows are, in a sentence. */
  readonly about: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** In place of rows. */
  readonly empty: string;
  /** Whether the reader may sort and filter the rows. They come in the order of the first look. */
  readonly isSortable?: boolean;
  readonly isWide?: boolean;
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly level?: Severity;
}

export interface FactsPanel {
  readonly kind: 'facts';
  readonly id: string;
  readonly title: string;
  readonly facts: readonly Fact[];
  /** Progress, 0 to 1, with its words. */
  readonly progress?: { readonly share: number; readonly words: string };
  /** A sentence before the facts. */
  readonly words?: string;
  readonly isWide?: boolean;
}

export type Panel = TablePanel | FactsPanel;

/** Most rows that a table shows at once: the reader sorts or filters for others. */
export const rowsShownMax = 200;

/**
 * The rows to show: those whose first cell has the wanted text, in order.
 * @returns the rows, and the number of those that match
 */
export function chosenRows(
  rows: readonly Row[],
  { wanted, column, isDescending }: { readonly wanted: string; readonly column: number | undefined; readonly isDescending: boolean },
): { readonly rows: readonly Row[]; readonly matches: number } {
  const text = wanted.trim().toLowerCase();
  const matching = text === '' ? rows : rows.filter(({ cells }) => cells.some((cell) => cell.text.toLowerCase().includes(text)));
  if (column === undefined) return { rows: matching.slice(0, rowsShownMax), matches: matching.length };
  const valueOf = ({ cells }: Row): number | string => cells[column]?.sort ?? cells[column]?.text ?? '';
  const sorted = matching.toSorted((one, other) => compare(valueOf(one), valueOf(other)) * (isDescending ? -1 : 1));
  return { rows: sorted.slice(0, rowsShownMax), matches: matching.length };
}

function compare(one: number | string, other: number | string): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [a, b] = [String(one), String(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The level of something that is not as it should be; empty for what is. */
export function marked(isOdd: boolean, level: Severity = 'attention'): { readonly level?: Severity } {
  return isOdd ? { level } : {};
}

/** A cell with a number. */
export function numberCell(text: string, sort: number | null | undefined, more: Omit<Cell, 'text' | 'sort'> = {}): Cell {
  return { text, sort: sort ?? -1, ...more };
}
