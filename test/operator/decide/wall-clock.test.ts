import { expect, test } from 'vitest';
import { begin, connectionScaling, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import type { ObservedPool } from '../../../operator/decide/observed.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

test('a wall clock that is set back does not stop a scale-up', () => {
  const pool = poolWith({ scaling: { type: 'Connections', connections: connectionScaling } }, { desiredReplicas: 2 });
  const crew = (at: number, connections: number) => [0, 1].map((slot) => gatewayWith(`web-aaaaa-${slot}`, {}, { at, connections }));
  let scaling: ObservedPool['scaling'];
  const desired = (seconds: number, unix: number, connections: number) => {
    const observed = observedWith({ now: unix, monotonic: seconds * 1000, pool, gateways: crew(unix, connections), scaling });
    const plan = planPool(observed);
    scaling = plan.scaling.memory;
    return plan.scaling.desired;
  };
  expect(desired(400, begin, 75)).toBe(3);
  expect(desired(460, begin + 60_000, 750)).toBe(13);
  expect(desired(461, begin - 540_000, 1_300)).toBe(13);
  expect(desired(491, begin - 510_000, 1_300)).toBe(20);
});
