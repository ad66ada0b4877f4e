import { onTestFinished } from 'vitest';

/** One WebSocket that the SDK dialled. */
export interface Dial {
  readonly url: string;
  /** When and how it ended, in milliseconds of `performance.now`. */
  end?: { readonly at: number; readonly code: number; readonly wasOpen: boolean };
}

/** Records every WebSocket that this process dials, until the test's end. */
export function recordDials(): readonly Dial[] {
  const dials: Dial[] = [];
  const Unrecorded = globalThis.WebSocket;
  globalThis.WebSocket = class extends Unrecorded {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      const dial: Dial = { url: String(url) };
      dials.push(dial);
      let wasOpen = false;
      this.addEventListener('open', () => (wasOpen = true));
      this.addEventListener('close', ({ code }) => (dial.end = { at: performance.now(), code, wasOpen }));
    }
  };
  onTestFinished(() => {
    globalThis.WebSocket = Unrecorded;
  });
  return dials;
}
