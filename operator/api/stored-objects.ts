import type { BarrageChannel } from './barrage-channel.ts';
import { filled } from './defaulting.ts';
import { defaults } from './defaults.ts';
import type { GatewayPool } from './gateway-pool.ts';

interface Kinds {
  readonly GatewayPool: GatewayPool;
  readonly BarrageChannel: BarrageChannel;
}

/**
 * Fills in the defaults of this version's CRD, without changing the object. An object that an older CRD stored or
 * serves lacks the fields that came later. Validation stays with the API server.
 */
export function withDefaults<Kind extends keyof Kinds>(kind: Kind, object: object): Kinds[Kind] {
  return filled(object, defaults[kind]) as Kinds[Kind];
}
