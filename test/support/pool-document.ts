import { generateKeyPairSync } from 'node:crypto';
import { policiesHash, type PoolDocument, type PoolGateway } from '../../core/pool/pool-document.ts';

/** A key pair as an operator makes one for a pool, in PEM. */
export function poolKeys(): { readonly publicKeyPem: string; readonly privateKeyPem: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A serving gateway; what a test does not care about is made of its name. */
export function gatewayNamed(name: string, more: Partial<PoolGateway> = {}): PoolGateway {
  return { name, uid: `uid-${name}`, url: `ws://${encodeURIComponent(name)}.invalid:6790/`, weight: 1, state: 'serving', ...more };
}

/** A document without gateways and policies, but for what the test says. */
export function poolDocument(more: Partial<PoolDocument> = {}): PoolDocument {
  return {
    version: 1,
    pool: 'default/main',
    epoch: 1,
    hashSeed: 0,
    gateways: [],
    overrides: [],
    policies: { hash: policiesHash([]), parts: 0 },
    ...more,
  };
}
