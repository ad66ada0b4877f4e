import { names } from '../../operator/desired/labels.ts';
import { ApiRefusal, type KubeAccess } from '../kube/access.ts';
import { serviceHosts, type ExpectedCertificate } from '../view/shown-certificate.ts';

/** The fields of a pod that tell its certificate. */
export interface CertifiedPod {
  readonly spec?: {
    readonly containers?: readonly { readonly name: string; readonly env?: readonly { readonly name: string }[] }[];
    readonly volumes?: readonly { readonly name: string; readonly secret?: { readonly secretName?: string } }[];
  };
}

interface StoredSecret {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * What is known of the certificate of a pod that ends TLS itself: the content of the Secret that it mounts.
 * @param service the Service that leads to the pod's port
 * @returns `undefined` for a pod whose ports are plain. Pods of both kinds stand side by side in a rollout.
 * @throws CommandFault where the API server does not answer
 */
export async function expectedCertificate(
  access: KubeAccess,
  { spec }: CertifiedPod,
  service: string,
): Promise<ExpectedCertificate | undefined> {
  const container = spec?.containers?.find(({ name }) => name === names.container);
  if (container?.env?.some(({ name }) => name === names.tlsVariable) !== true) return undefined;
  const secret = spec?.volumes?.find(({ name }) => name === names.tlsVolume)?.secret?.secretName ?? '';
  const { namespace } = access;
  const known = { secret, hosts: serviceHosts(service, namespace) };
  try {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(secret)}`;
    const { data = {} } = await access.json<StoredSecret>({ verb: 'get', resource: 'secrets', namespace, path });
    return { ...known, own: text(data['tls.crt']), authority: text(data['ca.crt']), unread: undefined };
  } catch (error) {
    if (!(error instanceof ApiRefusal) || (error.status !== 403 && error.status !== 404)) throw error;
    const unread = `The Secret ${secret} with its certificate can't be read: ${error.message.replace(/\.$/, '')}.`;
    return { ...known, own: undefined, authority: undefined, unread };
  }
}

function text(value: string | undefined): string | undefined {
  const decoded = Buffer.from(value ?? '', 'base64').toString();
  return decoded.trim() === '' ? undefined : decoded;
}
