/** Events by which a browser tells that a page may reach the network again, and where they are heard. */
const wakeups = [
  ['online', () => globalThis],
  // Also for a page that comes back out of the browser's cache, with its connections cut.
  ['pageshow', () => globalThis],
  ['visibilitychange', () => (typeof document === 'undefined' ? undefined : document)],
] as const;

/**
 * Calls `onWakeup` whenever the network or the page comes back: at once, and not when a timer, which a sleeping page
 * stops, happens to end. Does nothing where the platform has no such events. The function returned ends it.
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
