const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const length = 8;

/** A name for a new order of a channel: 8 letters and digits, which need no escaping in any protocol. */
export function newEpoch(random: () => number): string {
  let epoch = '';
  for (let index = 0; index < length; index++) epoch += alphabet[Math.floor(random() * alphabet.length)];
  return epoch;
}
