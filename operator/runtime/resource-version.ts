/** Whether a resourceVersion is older than another of the same kind of object: since Kubernetes 1.35 they may be compared as numbers. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined || !isNumber(version) || !isNumber(than)) return false;
  return BigInt(version) < BigInt(than);
}

function isNumber(version: string): boolean {
  return /^\d{1,40}$/.test(version);
}
