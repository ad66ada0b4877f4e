import { isOfHost, originOfHeader } from '../../core/origin.ts';
import { isLoopbackHostHeader, isLoopbackOrigin } from '../../core/process/loopback.ts';

/** The setting that allows an origin, in words for people. */
export const originSetting = 'BARRAGE_GATEWAY_ORIGINS (of a GatewayPool: spec.auth.allowedOrigins)';

/** The answer to an upgrade request: admitted, or an HTTP status with advice. */
export type Admission =
  | { readonly kind: 'admitted' }
  | {
      readonly kind: 'refused';
      readonly status: 403 | 503;
      readonly reason: 'origin' | 'host' | 'full' | 'unready' | 'rate';
      readonly message: string;
      readonly retryAfterSeconds?: number;
    };

export interface AdmissionRequest {
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

/** What decides which pages of browsers may connect. */
export interface PageRules {
  /**
   * The gateway is bound to loopback. Any web page can reach such an address, so the Host must be loopback too (against
   * DNS rebinding).
   */
  readonly isLoopback: boolean;
  /** Allowed origins in the spelling of `readOrigin`; `*` allows all. Empty: the origin of the gateway's own host. */
  readonly origins: readonly string[];
}

export interface AdmissionState extends PageRules {
  readonly connections: number;
  readonly connectionsMax: number;
  /** Whether the gateway takes one more connection in this second. */
  readonly hasRoom: boolean;
  /** Time within which a temporarily refused client is to come back, in milliseconds. */
  readonly retryWithinMs: number;
  /** The gateway has not started wholly, or is leaving. */
  readonly isUnready: boolean;
}

/** Why a page, or the host of a request, is refused whatever else is so; `undefined` where it may connect. */
export function pageRefusal(
  request: AdmissionRequest,
  rules: PageRules,
): { readonly reason: 'host' | 'origin'; readonly message: string } | undefined {
  if (rules.isLoopback && !isLoopbackHostHeader(request.host))
    return { reason: 'host', message: 'this gateway listens on loopback only: connect to localhost, or set BARRAGE_GATEWAY_HOST' };
  if (isOriginAllowed(request, rules)) return undefined;
  return { reason: 'origin', message: `pages of ${shownOrigin(request.origin)} may not connect: add that origin to ${originSetting}` };
}

/** Most characters of an origin that a refusal repeats. */
const shownCharactersMax = 100;

/** An `Origin` header as a list of origins would have it, cut. */
export function shownOrigin(header: string = ''): string {
  const origin = originOfHeader(header) ?? header;
  return origin.length > shownCharactersMax ? `${origin.slice(0, shownCharactersMax)}…` : origin;
}

/** Decides on one upgrade request. `random` in [0, 1) spreads the return of temporarily refused clients. */
export function admit(request: AdmissionRequest, state: AdmissionState, random: number): Admission {
  const stranger = pageRefusal(request, state);
  if (stranger !== undefined) return { kind: 'refused', status: 403, ...stranger };
  const retryAfterSeconds = Math.max(1, Math.ceil((random * state.retryWithinMs) / 1000));
  if (state.isUnready)
    return {
      kind: 'refused',
      status: 503,
      reason: 'unready',
      message: 'this gateway is starting or leaving: come back',
      retryAfterSeconds,
    };
  if (state.connections >= state.connectionsMax) {
    return {
      kind: 'refused',
      status: 503,
      reason: 'full',
      message: 'this gateway has all the connections that it takes: come back later',
      retryAfterSeconds,
    };
  }
  if (!state.hasRoom) {
    return {
      kind: 'refused',
      status: 503,
      reason: 'rate',
      message: 'too many clients connect at once: come back, or ask GET /v1/connect when and where',
      retryAfterSeconds,
    };
  }
  return { kind: 'admitted' };
}

/**
 * Programs send no Origin. A list of origins replaces the default: it has to name the gateway's own host too. The
 * `Host` of a request is the page's DNS name, so it proves nothing of a page whose name was rebound to this address. A
 * page of this machine proves itself by its loopback origin, which no other page has.
 */
function isOriginAllowed({ origin: header, host }: AdmissionRequest, { origins, isLoopback }: PageRules): boolean {
  if (header === undefined || origins.includes('*')) return true;
  const origin = originOfHeader(header);
  if (origin === undefined) return false;
  if (origins.includes(origin) || (isLoopback && isLoopbackOrigin(origin))) return true;
  return origins.length === 0 && host !== undefined && isOfHost(origin, host);
}
