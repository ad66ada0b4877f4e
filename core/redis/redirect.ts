/**
 * 'moved': another master has the slot. 'moving': the slot is being moved, and this key is not at the asked master.
 * Either way the command was not carried out.
 */
export type Redirect = 'moved' | 'moving';

/** The redirect in an error of a Cluster's node; `undefined` for any other error. */
export function redirectOf(error: unknown): Redirect | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.message.startsWith('MOVED ')) return 'moved';
  return error.message.startsWith('ASK ') || error.message.startsWith('TRYAGAIN') ? 'moving' : undefined;
}
