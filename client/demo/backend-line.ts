/**
 * Makes any text one word of a POSIX shell: a channel's name comes from the page's address, which anybody can write.
 */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The publisher of this page's server. */
export interface PublisherPlace {
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** Whether it takes only who presents a key. */
  readonly hasKeys: boolean;
}

/** A publisher's usual place, until the server has told its own. */
export const usualPublisher: PublisherPlace = { port: 6789, scheme: 'http', hasKeys: false };

/** Asks the page's server where its publisher is, and shows the page's words on certificates and keys that it needs. */
export async function learnPublisher(): Promise<PublisherPlace> {
  const response = await fetch('/demo.json');
  const facts: unknown = await response.json();
  if (typeof facts !== 'object' || facts === null || !('publisherPort' in facts)) throw new Error('no port');
  const hasTls = 'publisherHasTls' in facts && facts.publisherHasTls === true;
  const hasKeys = 'publisherHasKeys' in facts && facts.publisherHasKeys === true;
  for (const words of document.querySelectorAll<HTMLElement>('.own-authority')) words.hidden = !hasTls;
  for (const words of document.querySelectorAll<HTMLElement>('.api-key')) words.hidden = !hasKeys;
  return { port: Number(facts.publisherPort), scheme: hasTls ? 'https' : 'http', hasKeys };
}

/** A line for a shell that sends JSON to the publisher. */
export function backendCurl({ port, scheme, hasKeys }: PublisherPlace, path: string, body: object): string {
  const url = `${scheme}://${location.hostname}:${port}${path}`;
  const key = hasKeys ? ' -H "Authorization: Bearer $BARRAGE_API_KEY"' : '';
  return `curl ${url}${key} -H 'Content-Type: application/json' -d ${shellQuoted(JSON.stringify(body))}`;
}

/** A line for a shell that takes back what was published to a channel. */
export function channelCurl(
  { publisher, channel }: { readonly publisher: PublisherPlace; readonly channel: string },
  operation: 'recall' | 'clear',
  body: object,
): string {
  // A quote is no character that encodeURIComponent encodes.
  const name = encodeURIComponent(channel).replaceAll("'", '%27');
  return backendCurl(publisher, `/v1/channels/${name}/${operation}`, body);
}
