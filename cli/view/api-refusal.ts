/** Reads the API server's refusals, and says what to do about them. */

/** The part of a `Status` object that counts here. */
export interface ApiStatus {
  readonly message: string;
  readonly reason: string;
}

/** A request to the API server, in the words of rights. */
export interface ApiRequest {
  readonly verb: string;
  /** `pods`, `pods/portforward`, `gatewaypools.barrage.dev`. */
  readonly resource: string;
  readonly namespace: string;
}

const forbiddenWords = /cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?/;

/** Reads a body of the API server; other words stand for themselves. */
export function readApiStatus(body: string): ApiStatus {
  try {
    const { message, reason } = JSON.parse(body) as { readonly message?: unknown; readonly reason?: unknown };
    return { message: typeof message === 'string' ? message : '', reason: typeof reason === 'string' ? reason : '' };
  } catch {
    return { message: body.trim().slice(0, 500), reason: '' };
  }
}

/**
 * What to say of a refusal for want of a right: which right is missing, and the command that shows it.
 * @param request the request that was refused, where the server's words do not name the right
 */
export function missingRight(message: string, request: ApiRequest): string {
  const match = forbiddenWords.exec(message);
  const [, verb = request.verb, plural, group = '', named] = match ?? [];
  const resource = plural === undefined ? request.resource : group === '' ? plural : withGroup(plural, group);
  const namespace = named ?? request.namespace;
  const [kind = '', sub] = resource.split('/');
  const question = `kubectl auth can-i ${verb} ${kind}${sub === undefined ? '' : ` --subresource=${sub}`} -n ${namespace}`;
  const words = match === null || message === '' ? '' : ` The API server says: ${message}`;
  return `the right to ${verb} ${resource} in the namespace ${namespace} is missing. Ask for a Role with it; this tells whether you have it: ${question}.${words}`;
}

/** `gatewaypools/status` of a group: `gatewaypools.barrage.dev/status`, as kubectl writes it. */
function withGroup(plural: string, group: string): string {
  const [kind = '', sub] = plural.split('/');
  return `${kind}.${group}${sub === undefined ? '' : `/${sub}`}`;
}
