/** The size of a drawing, in its own units. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Most samples: they fill the width, the newest at the right edge. */
  readonly samplesMax: number;
}

/** Spans of a drawing, in seconds: a process that has just started is not drawn in a corner of ten minutes. */
const spans = [60, 120, 300, 600] as const;

/** The seconds that a drawing of so many samples goes over. */
export function drawnSeconds(samples: number): number {
  return spans.find((seconds) => samples <= seconds) ?? 600;
}

/** A series as SVG path data. Both are empty without a value. */
export interface Sparkline {
  readonly line: string;
  /** The line with the area below it. */
  readonly area: string;
  /** Least and highest value; `undefined` without a value. */
  readonly least: number | undefined;
  readonly most: number | undefined;
}

/**
 * Draws a series. The scale begins at 0 and ends at `top`. Each column of the drawing shows the highest of its samples,
 * so that a peak of one second stays visible. A gap in the values is a gap in the line.
 * @param top the value at the upper edge; absent: the highest value
 */
export function sparkline(values: ArrayLike<number>, frame: Frame, top?: number): Sparkline {
  const { width, height, samplesMax } = frame;
  const columns = Math.min(Math.floor(width / 2), samplesMax);
  const perColumn = samplesMax / columns;
  const peaks = new Map<number, number>();
  let [least, most]: [number | undefined, number | undefined] = [undefined, undefined];
  for (let index = Math.max(0, values.length - samplesMax); index < values.length; index++) {
    const value = values[index] ?? NaN;
    if (!Number.isFinite(value)) continue;
    least = Math.min(least ?? value, value);
    most = Math.max(most ?? value, value);
    const column = Math.min(columns - 1, Math.floor((index + samplesMax - values.length) / perColumn));
    peaks.set(column, Math.max(peaks.get(column) ?? -Infinity, value));
  }
  if (most === undefined) return { line: '', area: '', least, most };
  const scale = Math.max(top ?? most, most, Number.MIN_VALUE);
  const x = (column: number): number => round((column / (columns - 1)) * width);
  const y = (value: number): number => round(height - 1 - (Math.max(0, value) / scale) * (height - 2));
  const runs: { column: number; value: number }[][] = [];
  let before = -2;
  for (const [column, value] of [...peaks].toSorted(([a], [b]) => a - b)) {
    if (column !== before + 1) runs.push([]);
    runs.at(-1)?.push({ column, value });
    before = column;
  }
  const points = (run: readonly { column: number; value: number }[]): string =>
    // A single sample is a dash: a path of one point is invisible.
    run.length === 1 && run[0] !== undefined
      ? `${Math.max(0, x(run[0].column) - 1)} ${y(run[0].value)}L${x(run[0].column)} ${y(run[0].value)}`
      : run.map(({ column, value }) => `${x(column)} ${y(value)}`).join('L');
  const line = runs.map((run) => `M${points(run)}`).join('');
  const area = runs
    .map(
      (run) =>
        `M${Math.max(0, x(run[0]?.column ?? 0) - (run.length === 1 ? 1 : 0))} ${height}L${points(run)}L${x(run.at(-1)?.column ?? 0)} ${height}Z`,
    )
    .join('');
  return { line, area, least, most };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
