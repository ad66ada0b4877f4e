import { timingSafeEqual } from 'node:crypto';
import type { Session } from '../commands/session.ts';

/** The open event streams of one gateway, for those who send them commands. */
export class OpenStreams {
  readonly #streams = new Map<number, { readonly secret: string; readonly session: Session }>();

  get size(): number {
    return this.#streams.size;
  }

  add(client: number, secret: string, session: Session): void {
    this.#streams.set(client, { secret, session });
  }

  delete(client: number): void {
    this.#streams.delete(client);
  }

  /**
   * Hands commands to the session of a stream, which answers them on the stream.
   * @returns `ended`: there is no such stream, or its secret is another
   */
  hand(client: number, secret: string, commands: readonly string[]): 'handed' | 'ended' {
    const stream = this.#streams.get(client);
    if (stream === undefined || !isSame(secret, stream.secret)) return 'ended';
    for (const command of commands) stream.session.message(Buffer.from(command), 'text');
    return 'handed';
  }
}

/** Whether two secrets are the same, in a time that does not depend on where they differ. */
function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
