/**
 * Calls `onWakeup` at once when the network or the page comes back: a sleeping page stops its timers. Does nothing on a
 * platform without such events. The returned function ends it.
 */
export function listenForWakeups(onWakeup: () => void): () => void {
  const { document } = globalThis as Partial<typeof globalThis>;
  const listener = (): void => {
    if (document?.visibilityState !== 'hidden') onWakeup();
  };
  const end = new AbortController();
  const listen = (target: Partial<EventTarget> | undefined, event: string): void =>
    target?.addEventListener?.(event, listener, { signal: end.signal });
  listen(globalThis, 'online');
  // Fired too for a page that comes back out of the browser's cache, with its connections cut.
  listen(globalThis, 'pageshow');
  listen(document, 'visibilitychange');
  return () => end.abort();
}
