/** Whether the certificate that a pod shows is its pool's, and what to do where it is not. */
import { X509Certificate } from 'node:crypto';

/** What is known of the certificate of a pool's pods before one is asked. */
export interface ExpectedCertificate {
  /** Name of the Secret that the pod mounts. */
  readonly secret: string;
  /** The Secret's first certificate (PEM). */
  readonly own: string | undefined;
  /** The Secret's `ca.crt` (PEM). Without it the authorities of this machine count. */
  readonly authority: string | undefined;
  /** Why the Secret is not known, with the remedy. */
  readonly unread: string | undefined;
  /** Host names of the pod's Service, the usual one first. */
  readonly hosts: readonly string[];
}

/** What a pod has shown. */
export interface ShownCertificate {
  readonly certificate: X509Certificate;
  /** OpenSSL's code where the chain leads to no trusted authority. */
  readonly chainFault: string | undefined;
}

/**
 * A certificate is trusted if it is the Secret's own, or if a trusted authority has signed it for the Service or for a
 * name of the Secret's own. The latter serves while an exchanged Secret is on its way to the pods.
 * @param now in Unix milliseconds
 * @returns the rest of a sentence, with its remedy
 */
export function certificateFault(shown: ShownCertificate, expected: ExpectedCertificate, now: number): string | undefined {
  const { certificate, chainFault } = shown;
  const { own, secret, unread, hosts } = expected;
  const endsAt = Date.parse(certificate.validTo);
  if (endsAt <= now)
    return `shows a certificate that ended at ${new Date(endsAt).toISOString()}: put a new one into the Secret ${secret}. If it holds one already, pods take it within two minutes`;
  const known = readable(own);
  if (known?.fingerprint256 === certificate.fingerprint256) return undefined;
  const names = dnsNames(certificate);
  if (chainFault === undefined) {
    const ofSecret = known === undefined ? [] : dnsNames(known);
    if (hosts.some((host) => certificate.checkHost(host) !== undefined) || ofSecret.some((name) => names.includes(name))) return undefined;
    return `shows a certificate for ${names.join(', ') || 'no host'}, and not for ${hosts[0]}: make it for this name too. ${unread ?? ''}`.trim();
  }
  const stranger = `shows a certificate for ${names.join(', ') || 'no host'} that no trusted authority has signed (${chainFault})`;
  if (unread !== undefined)
    return `${stranger}. ${unread} Or name its authority in the variable NODE_EXTRA_CA_CERTS, by the path of a file`;
  return `${stranger}, and that is not the one in the Secret ${secret}. Pods take a changed Secret within two minutes: try again then. If it stays, the log of the pod says why (certificate-refused)`;
}

/** Host names of a Service, as clients in the cluster write them. */
export function serviceHosts(service: string, namespace: string): readonly string[] {
  const qualified = `${service}.${namespace}`;
  return [`${qualified}.svc`, qualified, service, `${qualified}.svc.cluster.local`];
}

function readable(pem: string | undefined): X509Certificate | undefined {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function dnsNames({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length));
}

const authorityCodes: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * Why a TLS connection to a URL failed, with its remedy.
 * @returns `undefined` for a failure that has nothing to do with TLS
 */
export function tlsWords({ code = '', message }: NodeJS.ErrnoException): string | undefined {
  if (authorityCodes.has(code))
    return 'no authority that is known here has signed its certificate. Name that authority in the variable NODE_EXTRA_CA_CERTS, by the path of a file';
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired: put a new one in its place';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${message} Use a host name that the certificate has`;
  return /wrong version number|packet length too long/.test(message) ? 'its port speaks no TLS: use http:// or ws://' : undefined;
}
