import type { Unit } from './series.ts';

/** Shown in place of a figure that is not known. */
export const unknown = '–';

const scales = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** A number of things: exact below 100,000, then three digits with k, M, G or T. */
export function countText(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return unknown;
  if (Math.abs(value) < 10 && !Number.isInteger(value)) return trimmed(value.toFixed(value < 1 ? 2 : 1));
  return Math.abs(value) < 99_999.5 ? grouped(Math.round(value)) : scaled(value);
}

/** Three digits with k, M, G or T; below a thousand as `countText`. */
export function shortText(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return unknown;
  return Math.abs(value) < 999.5 ? countText(value) : scaled(value);
}

/** A number in figures with its noun: `1 room`, `2 rooms`. */
export function countedText(figures: string, noun: string): string {
  return `${figures} ${noun}${figures === '1' ? '' : 's'}`;
}

export function bytesText(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return unknown;
  if (value < 999.5) return `${Math.round(value)} B`;
  const [size, letter] = scales.find(([each]) => value >= each * 0.9995) ?? [1e3, 'k'];
  return `${digits(value / size)} ${letter}B`;
}

/** A time that something took: µs, ms or s. */
export function secondsText(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return unknown;
  if (value === 0) return '0 ms';
  if (value < 0.000_999_5) return `${Math.round(value * 1e6)} µs`;
  if (value < 0.9995) return `${digits(value * 1000)} ms`;
  return `${digits(value)} s`;
}

/** How long ago, or for how long: in seconds, minutes, hours or days. */
export function durationText(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return unknown;
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function percentText(ratio: number | null | undefined): string {
  if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return unknown;
  const percent = ratio * 100;
  if (percent > 0 && percent < 0.1) return '<0.1 %';
  return `${percent < 10 && percent > 0 ? trimmed(percent.toFixed(1)) : Math.round(percent)} %`;
}

/** A figure of a series with its unit. */
export function figureText(unit: Unit, value: number | null | undefined): string {
  switch (unit) {
    case 'count':
      return countText(value);
    case 'mean':
      return countText(value === null || value === undefined ? value : Math.round(value * 10) / 10);
    case 'perSecond':
      return countText(value);
    case 'bytes':
    case 'bytesPerSecond':
      return bytesText(value);
    case 'seconds':
      return secondsText(value);
    case 'ratio':
      return percentText(value);
  }
}

function scaled(value: number): string {
  const [size, letter] = scales.find(([each]) => Math.abs(value) >= each * 0.9995) ?? [1e3, 'k'];
  return `${digits(value / size)} ${letter}`;
}

/** Three significant digits, without zeros at the end. */
function digits(value: number): string {
  const places = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  return trimmed(value.toFixed(places));
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, '\u202f');
}
