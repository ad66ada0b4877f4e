/**
 * Reads an int-or-string field: a number of pods, or a percentage of `total`. Any other text counts as 0: the field's
 * type lets it through.
 */
export function podsOf(value: number | string, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return Number.isInteger(value) && value > 0 ? value : 0;
  const percent = /^([0-9]{1,4})%$/.exec(value);
  if (percent !== null) {
    const share = (Number(percent[1]) * total) / 100;
    return round === 'up' ? Math.ceil(share) : Math.floor(share);
  }
  return /^[0-9]{1,4}$/.test(value) ? Number(value) : 0;
}
