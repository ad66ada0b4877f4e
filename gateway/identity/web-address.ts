/** An address for `fetch`, which takes no user and password in a URL. */
export interface WebAddress {
  readonly url: URL;
  /** `Authorization`, if the URL has a user or a password. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Moves a user and a password from a URL into the equivalent header (RFC 7617). */
export function webAddress(text: string): WebAddress {
  const url = new URL(text);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` } };
}
