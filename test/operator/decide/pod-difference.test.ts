import { expect, test } from 'vitest';
import { podDifference } from '../../../operator/decide/pod-difference.ts';

const digest = 'barrage.dev/settings-digest';

function pod(spec: object, annotations: Readonly<Record<string, string>>): Parameters<typeof podDifference>[0] {
  return { metadata: { labels: { app: 'x' }, annotations }, spec };
}

test('what an older pod lacks is told: a field, that Secrets have changed, or an annotation', () => {
  const wanted = pod({ dnsPolicy: 'Default' }, { [digest]: '2', team: 'live' });
  expect(podDifference(wanted, pod({ dnsPolicy: 'None' }, { [digest]: '1' }))).toBe('spec.dnsPolicy is "None", should be "Default"');
  const told = podDifference(wanted, pod({ dnsPolicy: 'Default' }, { [digest]: '1', team: 'live' }));
  expect(told).toContain("the pool's Secrets");
  expect(told).not.toMatch(/\d/);
  expect(podDifference(wanted, pod({ dnsPolicy: 'Default' }, { [digest]: '2' }))).toBe(
    'metadata.annotations.team is absent, should be "live"',
  );
  expect(podDifference(wanted, pod({ dnsPolicy: 'Default', nodeName: 'a' }, { [digest]: '2', team: 'live', more: '' }))).toBeUndefined();
});
