/** A question to a `GET /v1/connect`, under way. */
export interface Question {
  readonly response: Promise<Response>;
  readonly abort: AbortController;
}

/** The URL to ask for a channel's gateways. */
export function questionFor(connectUrl: string, channel: string): string {
  const url = new URL(connectUrl);
  url.searchParams.set('channel', channel);
  return url.href;
}

/** Asks for the gateways of a channel, whose name is read at the end of the turn. */
export async function put(connectUrl: string, channel: () => string, signal: AbortSignal): Promise<Response> {
  // An application subscribes right after it has made its client. Its subscriptions decide which gateway is best.
  await Promise.resolve();
  return fetch(questionFor(connectUrl, channel()), { signal, cache: 'no-store', credentials: 'omit' });
}
