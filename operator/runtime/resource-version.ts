/**
 * Whether a resourceVersion is older than another one of the same kind of object. They are etcd's revisions. Kubernetes
 * 1.35 and later promise that they compare as numbers.
 */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined || !isNumber(version) || !isNumber(than)) return false;
  return BigInt(version) < BigInt(than);
}

function isNumber(version: string): boolean {
  return /^\d{1,40}$/.test(version);
}
