/**
 * Makes any text one word of a POSIX shell: a channel's name comes from the page's address, which anybody can write.
 */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The publisher's port of this page's server. */
export async function learnPublisherPort(): Promise<number> {
  const response = await fetch('/demo.json');
  const facts: unknown = await response.json();
  if (typeof facts !== 'object' || facts === null || !('publisherPort' in facts)) throw new Error('no port');
  return Number(facts.publisherPort);
}

/** A line for a shell that sends JSON to the publisher. */
export function backendCurl(port: number, path: string, body: object): string {
  return `curl http://${location.hostname}:${port}${path} -H 'Content-Type: application/json' -d ${shellQuoted(JSON.stringify(body))}`;
}

/** A line for a shell that takes back what was published to a channel. */
export function channelCurl(
  { port, channel }: { readonly port: number; readonly channel: string },
  operation: 'recall' | 'clear',
  body: object,
): string {
  // A quote is no character that encodeURIComponent encodes.
  const name = encodeURIComponent(channel).replaceAll("'", '%27');
  return backendCurl(port, `/v1/channels/${name}/${operation}`, body);
}
