import type { GatewayPool } from '../api/gateway-pool.ts';
import { shapeFaults } from '../api/shape.ts';
import { specShapes } from '../api/shapes.ts';

/**
 * Why a pool's spec can't be read, in words; empty is good. The API server judges what is written, but not what was stored while an older definition was in
 * force: nothing may be read of a pool, and nothing done for it, before this has been asked.
 */
export function poolSpecFaults({ spec }: GatewayPool): readonly string[] {
  return shapeFaults(spec, specShapes.GatewayPool, 'spec');
}
