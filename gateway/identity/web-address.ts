/** Where `fetch`, which takes no user and password in a URL, is to ask. */
export interface WebAddress {
  readonly url: URL;
  /** `Authorization`, where the URL has a user or a password. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Takes a user and a password out of a URL, and makes them the header that says the same (RFC 7617). */
export function webAddress(text: string): WebAddress {
  const url = new URL(text);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: login === ':' ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` } };
}
