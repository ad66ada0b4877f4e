/** A refusal of the API server, or a missing object, while a plan was applied. */
export interface ObservedFault {
  readonly kind:
    | 'QuotaExceeded'
    | 'InvalidTemplate'
    | 'PodSecurity'
    | 'AdmissionDenied'
    | 'NamespaceTerminating'
    | 'Forbidden'
    | 'MissingSecret'
    | 'NameTaken'
    | 'MissingGatewayAPI'
    | 'RouteRefused'
    | 'RouteUnanswered'
    | 'Unavailable'
    | 'Other';
  /** The object: `Pod web-1a2b3-0`, `Secret redis`. */
  readonly subject: string;
  /** The API server's own words. */
  readonly message: string;
}

/**
 * Classifies an answer of the API server.
 * @param code HTTP status
 * @param reason `reason` of the Status object ("Forbidden", "Invalid", "AlreadyExists", …)
 */
export function faultOf(subject: string, code: number, reason: string, message: string): ObservedFault {
  const isOfGatewayApi = subject.startsWith('HTTPRoute ');
  return {
    kind: isOfGatewayApi && (code === 404 || isUndeclared(message)) ? 'MissingGatewayAPI' : kindOf(code, reason, message),
    subject,
    message: message.replace(requestWords, ''),
  };
}

/** The request in front of the API server's answer. A person needs only the answer. */
const requestWords = /^[a-z]+ \/\S*: /;

/**
 * Whether the definition of the object's kind lacks a field that the object has. The API server answers an apply with
 * status 500 then.
 */
function isUndeclared(message: string): boolean {
  return message.includes('field not declared in schema');
}

function kindOf(code: number, reason: string, message: string): ObservedFault['kind'] {
  if (code === 403 && /exceeded quota|must specify (?:limits|requests)|\bLimitRange\b|(?:maximum|minimum) (?:cpu|memory)/i.test(message))
    return 'QuotaExceeded';
  if (code === 403 && /violates PodSecurity/i.test(message)) return 'PodSecurity';
  // Pod admission answers Forbidden to a template that names a missing object.
  if (code === 403 && /no PriorityClass|error looking up service account/i.test(message)) return 'InvalidTemplate';
  if (code === 403 && /because it is being terminated/i.test(message)) return 'NamespaceTerminating';
  // A webhook or an admission policy chooses the status of its denial; the API server's words around it are fixed.
  if (
    code >= 400 &&
    code < 500 &&
    /^(?:.*: )?admission webhook ".*" denied the request|ValidatingAdmissionPolicy '.*' .*denied request/is.test(message)
  )
    return 'AdmissionDenied';
  if (code === 403) return 'Forbidden';
  if (isUndeclared(message) || code === 422 || code === 400 || reason === 'Invalid' || reason === 'BadRequest') return 'InvalidTemplate';
  if (code === 409 && reason === 'AlreadyExists') return 'NameTaken';
  if (code === 429 || code >= 500) return 'Unavailable';
  return 'Other';
}
