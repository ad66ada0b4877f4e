/** What the client says of one Sentinel that did not name a master. */
const refusal = /^failed to connect to sentinel (\S+) because (.*)$/s;
const unknownName = /No such master|invalid reply/;
/** All that is known of a Sentinel that can't be reached, whatever the cause. */
const closed = /^(?:Connection is closed\.|Command timed out|connect .*)$/;

/**
 * Why no Sentinel has named a master, in words that stay the same from round to round. The client's own are another
 * text each time, and come also where it has asked nobody since it gave up the last server.
 */
export class SentinelRound {
  readonly #name: string;
  /** A Sentinel that is away is met again with every new attempt, also where another one answers. */
  readonly #heard = new Set<string>();

  /** @param name by which the Sentinels know the master */
  constructor(name: string) {
    this.#name = name;
  }

  /** Takes what the client says of one Sentinel. */
  add(error: Error): void {
    this.#heard.add(error.message);
  }

  /** Forgets what was said in a round that did name a server. */
  clear(): void {
    this.#heard.clear();
  }

  /** Ends a round. `undefined` where no Sentinel was asked in it. */
  end(): string | undefined {
    const heard = [...this.#heard].toSorted();
    this.clear();
    if (heard.length === 0) return undefined;
    if (heard.some((message) => unknownName.test(message))) return `the Sentinels know no master named '${this.#name}'`;
    const refusals = heard.map((message) => refusal.exec(message) ?? [message, '', message]);
    const telling = refusals.find(([, , reason = '']) => !closed.test(reason));
    if (telling !== undefined) return `no Sentinel can be asked: ${telling[2]}`;
    return `no Sentinel answers at ${refusals.map(([, address]) => address).join(', ')}`;
  }
}

/** Whether this is the client's word for having asked all Sentinels, or for having come to the end of their list. */
export function endsSentinelRound(error: Error): boolean {
  return error.message.startsWith('All sentinels are unreachable');
}
