/** Figures in words, as short as a table needs them. */

/** A duration as kubectl writes ages: `45s`, `12m`, `3h`, `5d`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** A rate: whole numbers, with one decimal below 10. `-` where it is unknown. */
export function rate(perSecond: number | undefined): string {
  if (perSecond === undefined) return '-';
  return perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in decimal units: `1.2 MB`. `-` where the number is unknown. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return '-';
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function count(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

/** A share of 1 in percent, with one decimal below 10. `-` where it is unknown. */
export function percent(share: number | undefined): string {
  return share === undefined ? '-' : `${rate(share * 100)}%`;
}
