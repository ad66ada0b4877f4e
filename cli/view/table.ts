import { columnsOf, printable } from './terminal-text.ts';

/** The colour of a line, where the terminal has colours. */
export type Tone = 'plain' | 'heading' | 'good' | 'bad' | 'quiet';

/** One line for a person. Its text is printable. */
export interface Line {
  readonly text: string;
  readonly tone: Tone;
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  readonly text: (row: Row) => string;
}

/** A line of our own words and foreign ones. */
export function line(text: string, tone: Tone = 'plain'): Line {
  return { text: printable(text), tone };
}

/** A table as kubectl prints it: a heading, three spaces between the columns. Cells are made printable. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], toneOf: (row: Row) => Tone = () => 'plain'): Line[] {
  const cells = rows.map((row) => columns.map(({ text }) => printable(text(row))));
  const widths = columns.map(({ title }, index) =>
    cells.reduce((widest, row) => Math.max(widest, columnsOf(row[index] ?? '')), columnsOf(title)),
  );
  const joined = (row: readonly string[]): string =>
    row
      .map((cell, index) => {
        const padding = ' '.repeat((widths[index] ?? 0) - columnsOf(cell));
        return columns[index]?.align === 'right' ? padding + cell : cell + padding;
      })
      .join('   ')
      .trimEnd();
  return [
    { text: joined(columns.map(({ title }) => title)), tone: 'heading' },
    ...rows.map((row, index): Line => ({ text: joined(cells[index] ?? []), tone: toneOf(row) })),
  ];
}
