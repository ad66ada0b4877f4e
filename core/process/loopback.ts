/** Whether a listening host is reachable from this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** Whether a request's `Host` header names loopback. The host of a page with a rebound DNS name does not. */
export function isLoopbackHostHeader(header: string | undefined): boolean {
  return header !== undefined && isLoopbackHost(header.replace(/:\d{1,5}$/, ''));
}

/**
 * Whether an origin's page comes from this machine, from any port. Browsers count names below `localhost` as this
 * machine.
 */
export function isLoopbackOrigin(origin: string): boolean {
  const url = URL.parse(origin);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false;
  return isLoopbackHost(url.hostname) || url.hostname.endsWith('.localhost');
}
