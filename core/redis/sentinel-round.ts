/** The client's error for one Sentinel that did not name a master. */
const refusal = /^failed to connect to sentinel (\S+) because (.*)$/s;
const unknownName = /No such master|invalid reply/;
/** The client's errors for an unreachable Sentinel; they name no cause. */
const closed = /^(?:Connection is closed\.|Command timed out|connect .*)$/;

/**
 * The reason that no Sentinel named a master, in words that stay the same from round to round. The client's own words
 * differ each time. They also appear when no Sentinel was asked after the last server was given up.
 */
export class SentinelRound {
  readonly #name: string;
  /** Errors of this round. An unreachable Sentinel causes one in every round, even when another Sentinel answers. */
  readonly #heard = new Set<string>();

  /** @param name the Sentinels' name for the master */
  constructor(name: string) {
    this.#name = name;
  }

  /** Adds the client's error for one Sentinel. */
  add(error: Error): void {
    this.#heard.add(error.message);
  }

  /** Forgets the errors of a round that named a server. */
  clear(): void {
    this.#heard.clear();
  }

  /** Ends a round and returns its reason; `undefined` when no Sentinel was asked. */
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

/** Whether this error of the client means that all Sentinels were asked, or that their list has ended. */
export function endsSentinelRound(error: Error): boolean {
  return error.message.startsWith('All sentinels are unreachable');
}
