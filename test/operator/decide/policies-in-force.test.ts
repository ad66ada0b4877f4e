import { expect, test } from 'vitest';
import { observedWith, poolWith } from './pool-fixture.ts';
import type { ConditionDraft } from '../../../operator/decide/conditions.ts';
import type { ObservedPool } from '../../../operator/decide/observed.ts';
import { poolConditions, type PoolFacts } from '../../../operator/decide/pool-conditions.ts';
import { planPool } from '../../../operator/decide/pool-plan.ts';

function said(fields: Partial<ObservedPool>, about: Pick<PoolFacts, 'policies'> & Partial<PoolFacts>): ConditionDraft | undefined {
  const observed = observedWith(fields);
  const publishers = { available: 2, policiesHashes: [] };
  const facts = {
    observed,
    plan: planPool(observed),
    publishers,
    busChange: { stage: 'settled' as const, waitingFor: [] },
    samePrefix: [],
    securityBreaches: [],
    overruled: [],
    ...about,
  };
  return poolConditions(facts).find(({ type }) => type === 'PoliciesInForce');
}

test('a paused pool says that new policies wait for the end of the pause', () => {
  const policies = { parts: [], hash: 'new', verdicts: [], overflow: 0 };
  expect(said({}, { policies })?.reason).toBe('Pushing');
  expect(said({ pool: poolWith({ paused: true }) }, { policies })).toMatchObject({
    status: 'False',
    reason: 'Paused',
  });
});

test('new policies of a pool are in force when publishers have them too, since they enforce the limits', () => {
  const hash = 'hash';
  const after = (status: 'True' | 'False' | undefined, ...policiesHashes: readonly (string | undefined)[]): string | undefined => {
    const stored = {
      type: 'PoliciesInForce',
      status: status ?? 'Unknown',
      lastTransitionTime: '',
      reason: 'InForce',
      message: '',
    } as const;
    const pool = status === undefined ? poolWith() : { ...poolWith(), status: { conditions: [stored] } };
    const policies = { parts: [], hash, verdicts: [], overflow: 0 };
    return said({ pool }, { policies, publishers: { available: 2, policiesHashes } })?.reason;
  };
  expect(after(undefined, hash, hash)).toBe('InForce');
  expect(after('True', hash, 'older')).toBe('Pushing');
  // A publisher that has not answered yet changes nothing of what was said.
  expect(after('True', hash, undefined)).toBe('InForce');
  expect(after('False', hash, undefined)).toBe('Pushing');
});
