/**
 * Decides which signing keys of a pool are kept. A pod trusts the key with which it was made, for life. After a new key
 * was made, each older pod is told in its own key until it is replaced.
 */

/** An Ed25519 key pair, each half in PEM. */
export interface SigningKeys {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Pairs that are kept, the present one included. Beyond the bound the oldest are forgotten. */
export const keptKeysMax = 8;

/**
 * The pairs to keep, the newest first.
 * @param present the pair with which new pods are made
 * @param kept the pairs that were kept so far, the newest first
 * @param trusted the keys that living pods trust, each as {@link trustOf} gives it
 */
export function keysToKeep(present: SigningKeys, kept: readonly SigningKeys[], trusted: ReadonlySet<string>): readonly SigningKeys[] {
  const earlier = kept.filter(({ publicKey }) => trustOf(publicKey) !== trustOf(present.publicKey) && trusted.has(trustOf(publicKey)));
  return [present, ...earlier].slice(0, keptKeysMax);
}

/** A public key in the form in which keys are compared, from PEM or from a pod's variable. */
export function trustOf(publicKey: string): string {
  return publicKey.replaceAll(String.raw`\n`, '\n').trim();
}
