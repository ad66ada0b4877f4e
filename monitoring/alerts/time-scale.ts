import { parser } from '@prometheus-io/lezer-promql';

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A PromQL duration of one unit, divided. @throws Error for anything else */
export function scaledDuration(duration: string, timeScale: number): string {
  const [, number = '', unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(duration) ?? [];
  const factor = milliseconds[unit];
  if (factor === undefined) throw new Error(`${duration} is no duration of one unit`);
  if (timeScale === 1) return duration;
  return `${Math.round((Number(number) * factor) / timeScale)}ms`;
}

/** An expression with all its windows divided. Its numbers stay as they are. */
export function scaledExpression(expression: string, timeScale: number): string {
  const durations: { readonly from: number; readonly to: number }[] = [];
  parser.parse(expression).iterate({
    enter: ({ name, from, to }) => {
      if (name === 'NumberDurationLiteralInDurationContext') durations.push({ from, to });
    },
  });
  return durations
    .toReversed()
    .reduce((text, { from, to }) => text.slice(0, from) + scaledDuration(text.slice(from, to), timeScale) + text.slice(to), expression);
}
