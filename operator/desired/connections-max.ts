import { names } from './labels.ts';
import { isObject } from './overlay.ts';
import type { Json } from './objects.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import { limits } from '../../core/limits.ts';

export const connectionsMaxVariable = 'BARRAGE_GATEWAY_CONNECTIONS_MAX';

/** Connections that a gateway accepts without a word about it, and those with TLS of its own. */
const usualMax = { plain: 20_000, tls: 8_000 } as const;
/** A gateway has room for its own target and for the clients of another one that leaves. */
const roomForMoves = 2;

/**
 * Connections that each gateway of the pool accepts, from its target. A number in `spec.template` counts instead.
 * `undefined`: the template takes the number from elsewhere.
 */
export function connectionsMax(pool: GatewayPool): number | undefined {
  const theirs = templateVariable(pool);
  if (theirs === undefined) return ownMax(pool);
  const told = isObject(theirs) ? Number(theirs['value']) : NaN;
  return Number.isInteger(told) && told > 0 ? told : undefined;
}

/** The value of the variable that the operator sets; `undefined`: the usual one, or the template's. */
export function connectionsMaxSetting(pool: GatewayPool): number | undefined {
  const max = ownMax(pool);
  return max === usualOf(pool) || templateVariable(pool) !== undefined ? undefined : max;
}

function ownMax(pool: GatewayPool): number {
  const { spec } = pool;
  const target = spec.scaling.type === 'Connections' ? (spec.scaling.connections?.targetConnectionsPerPod ?? 0) : 0;
  return Math.min(limits.connectionsMax, Math.max(usualOf(pool), target * roomForMoves));
}

function usualOf({ spec }: GatewayPool): number {
  return spec.tls === undefined ? usualMax.plain : usualMax.tls;
}

function templateVariable({ spec }: GatewayPool): Json | undefined {
  const containers = list((spec.template.spec as Json | undefined) ?? {}, 'containers');
  const own = containers.find((item) => isObject(item) && item['name'] === names.container);
  return own === undefined ? undefined : list(own, 'env').find((item) => isObject(item) && item['name'] === connectionsMaxVariable);
}

/** A list in an object; anything else is for the API server to refuse. */
function list(object: Json, key: string): readonly Json[] {
  const value = isObject(object) ? object[key] : undefined;
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
