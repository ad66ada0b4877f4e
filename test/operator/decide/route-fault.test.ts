import { expect, test } from 'vitest';
import { faultBlocker } from '../../../operator/decide/blocker.ts';
import { answerMs, judgeRoutes, type ObservedRoute, type RouteVerdict } from '../../../operator/decide/route-fault.ts';

const now = 1_800_000_000_000;
const parent = { name: 'edge', namespace: 'infra', sectionName: 'https' };

function judge(...routes: readonly ObservedRoute[]): RouteVerdict {
  return judgeRoutes(routes, { parent, namespace: 'shows', now });
}

/** A route that was applied long ago. */
function routeWith(conditions: readonly object[], about: { readonly parentRef?: object; readonly name?: string } = {}): ObservedRoute {
  const { name = 'web', parentRef = parent } = about;
  const route = { metadata: { generation: 2 }, status: { parents: [{ parentRef, conditions }] } };
  return { name, route, changedAt: now - 3_600_000 };
}

const accepted = { type: 'Accepted', status: 'True', observedGeneration: 2 };
const refused = { type: 'Accepted', status: 'False', reason: 'NoMatchingParent', message: 'no such listener' };

test.each(['Accepted', 'ResolvedRefs'])('a route that its Gateway refuses by %s is told in the words of that Gateway', (type) => {
  const { fault } = judge(routeWith([{ ...accepted }, { ...refused, type }]));
  expect(fault).toMatchObject({ kind: 'RouteRefused', subject: 'HTTPRoute web' });
  const { reason, message } = faultBlocker(fault === undefined ? [] : [fault]) ?? {};
  expect(reason).toBe('RouteRefused');
  expect(message).toContain(`${type}=False (NoMatchingParent): no such listener. Check spec.exposure.httpRoute`);
});

test('a route that is accepted, or that does not exist, is no fault', () => {
  expect(judge(routeWith([accepted]), { name: 'gone', route: undefined, changedAt: 0 })).toEqual({
    fault: undefined,
    reviewAfterMs: undefined,
  });
  // A controller may say nothing of generations.
  expect(judge(routeWith([{ type: 'Accepted', status: 'True' }])).fault).toBeUndefined();
});

const unanswered: readonly (readonly [what: string, route: ObservedRoute])[] = [
  ['nobody has said anything about', { name: 'web', route: {}, changedAt: 0 }],
  ['an empty status was given to', { name: 'web', route: { status: { parents: [{}] } }, changedAt: 0 }],
  ['another Gateway has accepted', routeWith([accepted], { parentRef: { ...parent, name: 'other' } })],
  ['a Gateway of another namespace has accepted', routeWith([accepted], { parentRef: { ...parent, namespace: 'shows' } })],
  ['another listener has accepted', routeWith([accepted], { parentRef: { ...parent, sectionName: 'http' } })],
  ['the Gateway has accepted an earlier state of', routeWith([{ ...accepted, observedGeneration: 1 }])],
  ['the Gateway has refused an earlier state of', routeWith([{ ...refused, observedGeneration: 1 }])],
  ['the Gateway has not decided about', routeWith([{ type: 'Accepted', status: 'Unknown' }])],
];

test.each(unanswered)('a route is unanswered that %s', (_what, route) => {
  const { fault } = judge(route);
  expect(fault).toMatchObject({ kind: 'RouteUnanswered', subject: 'HTTPRoute web' });
  const { message } = faultBlocker(fault === undefined ? [] : [fault]) ?? {};
  expect(message).toContain('no controller has accepted it for the Gateway infra/edge in 30 s. Check that this Gateway exists');
});

test('a controller has its time, which does not begin anew with a new operator', () => {
  const changed = (ago: number): RouteVerdict => judge({ name: 'web', route: {}, changedAt: now - ago });
  expect(changed(answerMs - 1)).toEqual({ fault: undefined, reviewAfterMs: 1 });
  expect(changed(answerMs).fault?.kind).toBe('RouteUnanswered');
  // The API server's clock is ahead.
  expect(changed(-5_000)).toEqual({ fault: undefined, reviewAfterMs: answerMs });
});

test('of several routes the first one in trouble is told, with the number of the others', () => {
  const routes = ['web', 'web-0', 'web-1'].map((name) => routeWith(name === 'web' ? [accepted] : [refused], { name }));
  const { fault } = judge(...routes);
  expect(fault?.subject).toBe('HTTPRoute web-0');
  expect(fault?.message).toMatch(/no such listener \(and 1 more of the pool's routes\)$/);
});

test('a Gateway without a namespace is of the namespace of the pool', () => {
  const route = routeWith([accepted], { parentRef: { name: 'edge' } });
  expect(judgeRoutes([route], { parent: { name: 'edge', namespace: 'shows' }, namespace: 'shows', now }).fault).toBeUndefined();
  expect(judgeRoutes([route], { parent: { name: 'edge' }, namespace: 'shows', now }).fault).toBeUndefined();
});
