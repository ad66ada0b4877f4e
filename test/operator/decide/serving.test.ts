import { expect, test } from 'vitest';
import { begin, gatewayWith, observedWith, poolWith } from './pool-fixture.ts';
import type { ObservedGateway, ObservedPool } from '../../../operator/decide/observed.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

const unready = { isReady: false, containersReady: false };

function placed(gateways: readonly ObservedGateway[], fields: Partial<ObservedPool> = {}): readonly string[] {
  return planPool(
    observedWith({
      pool: poolWith({ replicas: gateways.length }),
      gateways,
      ...fields,
    }),
  ).members.map(({ name }) => name);
}

function well(count: number): readonly ObservedGateway[] {
  return Array.from({ length: count }, (_, slot) => gatewayWith(`web-aaaaa-${slot}`));
}

function lost(name: string, silentForMs: number | undefined, fields: Partial<ObservedGateway> = unready): ObservedGateway {
  return gatewayWith(name, {
    unansweredSince: silentForMs === undefined ? undefined : begin - silentForMs,
    ...fields,
  });
}

test('a gateway that is not ready and has been silent for 10 s is left out of the document, and not before', () => {
  expect(placed([...well(3), lost('web-aaaaa-3', 10_000)])).not.toContain('web-aaaaa-3');
  expect(placed([...well(3), lost('web-aaaaa-3', 9_999)])).toContain('web-aaaaa-3');
  expect(placed([...well(1), lost('web-aaaaa-1', 10_000)])).toEqual(['web-aaaaa-0']);
  // A lost node: only the condition Ready has become False.
  expect(placed([...well(3), lost('web-aaaaa-3', 10_000, { isReady: false })])).not.toContain('web-aaaaa-3');
});

test('one sign alone is none: a bus that is away, or a network policy', () => {
  expect(placed([...well(3), lost('web-aaaaa-3', undefined)])).toContain('web-aaaaa-3');
  expect(placed([...well(3), lost('web-aaaaa-3', 60_000, {})])).toContain('web-aaaaa-3');
});

test('where most of the others are not well either, nobody is left out', () => {
  const gone = (count: number) => Array.from({ length: count }, (_, slot) => lost(`web-bbbbb-${slot}`, 60_000));
  expect(placed([...well(2), ...gone(2)])).toHaveLength(2);
  expect(placed([...well(2), ...gone(3)])).toHaveLength(5);
  expect(placed(gone(4))).toHaveLength(4);
  const silent = well(3).map((gateway) => ({
    ...gateway,
    unansweredSince: begin - 60_000,
  }));
  expect(placed([...silent, ...gone(1)])).toHaveLength(4);
});

test('with its first answer it is back, and a new operator does not put it back before', () => {
  const unheard = gatewayWith('web-aaaaa-3', { ...unready, polled: undefined });
  const document = { memberUids: well(3).map(({ uid }) => uid) };
  expect(placed([...well(3), unheard], { document })).toHaveLength(3);
  expect(placed([...well(3), lost('web-aaaaa-3', undefined)], { document })).toHaveLength(4);
  // Without a document nobody is known to be left out.
  expect(placed([...well(3), unheard], { document: undefined })).toHaveLength(4);
});

test('a dead gateway is nobody whom an eviction has to spare, and it is not drained for being left out', () => {
  const crew = [...well(6), lost('web-aaaaa-6', 60_000)];
  const plan = planPool(observedWith({ pool: poolWith({ replicas: 7 }), gateways: crew }));
  expect(plan.actions).toEqual([]);
  expect(plan.budget.minAvailable).toBe(6);
  const surplus = planPool(observedWith({ pool: poolWith({ replicas: 4 }), gateways: crew }));
  expect(surplus.budget.minAvailable).toBe(5);
});
