/**
 * Whole milliseconds since the Unix epoch, by this machine's clock, which may be set forward and back while a process runs.
 *
 * What is stamped on one machine and judged on another is told by it: when a publication was accepted, and so how old it is. How long
 * something takes within a process is told by a monotonic clock, which no setting of the time can hold up.
 */
export function wallClock(): number {
  return Date.now();
}
