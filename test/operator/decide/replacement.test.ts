import { expect, test } from 'vitest';
import { replacementOf } from '../../../operator/decide/replacement.ts';

test('what only the stored spec has goes, lists are overwritten as a whole, and metadata of others stays', () => {
  const wanted = {
    metadata: { labels: { ours: '1' } },
    spec: { minAvailable: 2, ports: [{ port: 1 }], selector: { matchLabels: { a: '1' } } },
  };
  const found = {
    metadata: { labels: { theirs: '1' } },
    spec: { maxUnavailable: 1, ports: [{ port: 2 }], selector: { matchLabels: { a: '1', b: '2' }, matchExpressions: [] } },
    status: { healthy: 1 },
  };
  expect(replacementOf(wanted, found)).toEqual({
    metadata: { labels: { ours: '1' } },
    spec: {
      minAvailable: 2,
      maxUnavailable: null,
      ports: [{ port: 1 }],
      selector: { matchLabels: { a: '1', b: null }, matchExpressions: null },
    },
  });
});

test("addresses that were allotted and an autoscaler's number stay", () => {
  const found = { spec: { replicas: 7, clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'], healthCheckNodePort: 3 } };
  expect(replacementOf({ spec: { type: 'ClusterIP' } }, found)).toEqual({ spec: { type: 'ClusterIP' } });
});

test('an object without a spec is taken as it is', () => {
  expect(replacementOf({ data: { a: '1' } }, { data: { b: '2' } })).toEqual({ data: { a: '1' } });
});
