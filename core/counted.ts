/** A count with its noun: `1 viewer`, `2 viewers`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A part of a count, with noun and verb: `1 of 3 gateways is`, `2 of 3 gateways are`, `0 of 1 gateway is`. */
export function partIs(part: number, whole: number, noun: string): string {
  return `${part} of ${counted(whole, noun)} ${part === 1 || whole === 1 ? 'is' : 'are'}`;
}
