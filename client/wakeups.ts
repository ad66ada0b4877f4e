/** Events that tell that a page may reach the network again, with their targets. */
const wakeups = [
  ['online', () => globalThis],
  // Fired too for a page that comes back out of the browser's cache, with its connections cut.
  ['pageshow', () => globalThis],
  ['visibilitychange', () => (typeof document === 'undefined' ? undefined : document)],
] as const;

/**
 * Calls `onWakeup` at once when the network or the page comes back: a sleeping page stops its timers. Does nothing on a
 * platform without such events. The returned function ends it.
 */
export function listenForWakeups(onWakeup: () => void): () => void {
  const listener = (): void => {
    if (typeof document === 'undefined' || document.visibilityState !== 'hidden') onWakeup();
  };
  const heard = wakeups.flatMap(([event, find]) => {
    const target: Partial<EventTarget> | undefined = find();
    if (typeof target?.addEventListener !== 'function') return [];
    target.addEventListener(event, listener);
    return [{ event, target }];
  });
  return () => {
    for (const { event, target } of heard) target.removeEventListener?.(event, listener);
  };
}
