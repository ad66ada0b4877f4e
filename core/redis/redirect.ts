/**
 * 'moved': another master has the slot now. 'moving': the slot is on its way to another master, and this key is no
 * longer, or not yet, at the old one. In both cases the command was not carried out.
 */
export type Redirect = 'moved' | 'moving';

/**
 * What a Cluster's node says where it did not carry out a command because of where the slot is; `undefined` for
 * anything else.
 */
export function redirectOf(error: unknown): Redirect | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.message.startsWith('MOVED ')) return 'moved';
  return error.message.startsWith('ASK ') || error.message.startsWith('TRYAGAIN') ? 'moving' : undefined;
}
