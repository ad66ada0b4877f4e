import type { HistoryEvent } from '../view/history.ts';
import type { Snapshot } from '../view/snapshot.ts';

/** State of the page's stream, in words. */
export type LinkState =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** The process refused the stream, and says why. */
  | { readonly state: 'refused'; readonly why: string; readonly againInSeconds: number }
  | { readonly state: 'lost' };

export interface StreamListener {
  history(event: HistoryEvent): void;
  snapshot(event: Snapshot): void;
  link(state: LinkState): void;
}

const lostRetrySeconds = 3;

/** Follows a stream for as long as the page lives. The browser connects again by itself, but for a refusal. */
export function follow(url: string, listener: StreamListener): void {
  const source = new EventSource(url);
  listener.link({ state: 'connecting' });
  source.addEventListener('history', ({ data }: MessageEvent<string>) => listener.history(JSON.parse(data) as HistoryEvent));
  source.addEventListener('snapshot', ({ data }: MessageEvent<string>) => {
    listener.link({ state: 'live' });
    listener.snapshot(JSON.parse(data) as Snapshot);
  });
  source.addEventListener('error', () => {
    if (source.readyState !== EventSource.CLOSED) {
      listener.link({ state: 'lost' });
      return;
    }
    source.close();
    void refusalOf(url).then((refusal) => {
      listener.link(refusal);
      const seconds = refusal.state === 'refused' ? refusal.againInSeconds : lostRetrySeconds;
      setTimeout(() => follow(url, listener), seconds * 1000);
    });
  });
}

/** An `EventSource` does not tell an answer's text: the page asks once more for it. */
async function refusalOf(url: string): Promise<LinkState> {
  const givenUp = new AbortController();
  try {
    const response = await fetch(url, { signal: givenUp.signal, cache: 'no-store' });
    if (response.ok) {
      givenUp.abort();
      return { state: 'lost' };
    }
    const againInSeconds = Number(response.headers.get('retry-after') ?? lostRetrySeconds);
    return { state: 'refused', why: (await response.text()).trim(), againInSeconds };
  } catch {
    return { state: 'lost' };
  }
}
