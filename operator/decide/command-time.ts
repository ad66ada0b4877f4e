/**
 * When a drain command counts as issued, in Unix milliseconds. A gateway refuses commands that are older than its last
 * one, or old by its own clock: they may be recorded ones. So the time is by the gateway's clock, where it tells that,
 * and later than its last command. Otherwise a command of an operator whose clock was set back would be refused.
 *
 * A difference of many hours is not believed: a signed command from the future could be sent again for as long.
 */
export function commandTime(
  now: number,
  gateway: {
    /** The gateway's wall clock at this moment; `undefined`: it does not tell. */
    readonly clock: number | undefined;
    /** `issuedAt` of the last command that it followed. */
    readonly lastIssuedAt: number | undefined;
  },
): number {
  const isBelieved = (time: number): boolean => Math.abs(time - now) <= believedMsMax;
  const byClock = gateway.clock !== undefined && isBelieved(gateway.clock) ? gateway.clock : now;
  const afterLast = gateway.lastIssuedAt !== undefined && isBelieved(gateway.lastIssuedAt) ? gateway.lastIssuedAt + 1 : 0;
  return Math.floor(Math.max(byClock, afterLast));
}

/** Largest difference of clocks that is believed, in milliseconds. */
const believedMsMax = 12 * 3_600_000;
