/**
 * Whether a resourceVersion is older than another of the same kind of object. They are etcd's revisions; that they may
 * be compared as numbers Kubernetes promises from 1.35 on.
 */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined || !isNumber(version) || !isNumber(than)) return false;
  return BigInt(version) < BigInt(than);
}

function isNumber(version: string): boolean {
  return /^\d{1,40}$/.test(version);
}
