import { expect, test } from 'vitest';
import { faultBlocker } from '../../../operator/decide/blocker.ts';
import { routeFault } from '../../../operator/decide/route-fault.ts';

const routeWith = (type: string, status: string): object => ({
  status: { parents: [{ conditions: [{ type, status, reason: 'NoMatchingParent', message: 'no such listener' }] }] },
});

test('a route that its Gateway refuses is told in the words of that Gateway', () => {
  for (const type of ['Accepted', 'ResolvedRefs']) {
    const fault = routeFault(routeWith(type, 'False'), 'web');
    expect(fault).toMatchObject({ kind: 'RouteRefused', subject: 'HTTPRoute web' });
    const { reason, message } = faultBlocker(fault === undefined ? [] : [fault]) ?? {};
    expect(reason).toBe('RouteRefused');
    expect(message).toContain(`${type}=False (NoMatchingParent): no such listener. Check spec.exposure.httpRoute`);
  }
});

test('a route that is accepted, or of which nothing was said, is no fault', () => {
  for (const route of [
    undefined,
    {},
    { status: {} },
    { status: { parents: [{}] } },
    routeWith('Accepted', 'True'),
    routeWith('Other', 'False'),
  ])
    expect(routeFault(route, 'web')).toBeUndefined();
});
