/** User and password of a URL, and the values of its query. */
const userOfUrl = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'@]+@/gi;
const queryOfUrl = /([a-z][a-z0-9+.-]*:\/\/[^\s?#"']+\?)[^\s#"']+/gi;

/**
 * A text for logs, events and conditions, in which the URLs have no user, no password and no query. The words of others
 * (the API server, a kubelet, a crashed process) may quote a setting.
 */
export function withoutCredentials(text: string): string {
  return text.replace(userOfUrl, '$1…@').replace(queryOfUrl, '$1…');
}
