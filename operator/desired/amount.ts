/**
 * Reads a number of pods or a share of `total`, as int-or-string fields hold it. What is neither a whole number ≥ 0 nor
 * a percentage counts as 0: the type lets every text through.
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
