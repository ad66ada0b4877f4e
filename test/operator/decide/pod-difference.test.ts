import { expect, test } from 'vitest';
import { firstDifference, podDifference } from '../../../operator/decide/pod-difference.ts';
import { gatewayPod, gatewayTemplate } from '../../../operator/desired/gateway-pod.ts';
import { ingredientsWith } from '../desired/ingredients.ts';

const digest = 'barrage.dev/settings-digest';

function pod(spec: object, annotations: Readonly<Record<string, string>>): Parameters<typeof podDifference>[0] {
  return { metadata: { labels: { app: 'x' }, annotations }, spec };
}

test('what an older pod lacks is told: a field, that Secrets have changed, or an annotation', () => {
  const wanted = pod({ dnsPolicy: 'Default' }, { [digest]: '2', team: 'live' });
  expect(podDifference(wanted, pod({ dnsPolicy: 'None' }, { [digest]: '1' }))).toBe('spec.dnsPolicy has changed');
  const told = podDifference(wanted, pod({ dnsPolicy: 'Default' }, { [digest]: '1', team: 'live' }));
  expect(told).toContain("the pool's Secrets");
  expect(told).not.toMatch(/\d/);
  expect(podDifference(wanted, pod({ dnsPolicy: 'Default' }, { [digest]: '2' }))).toBe('metadata.annotations.team is new');
  expect(podDifference(wanted, pod({ dnsPolicy: 'Default', nodeName: 'a' }, { [digest]: '2', team: 'live', more: '' }))).toBeUndefined();
});

test('the first difference is named by its path', () => {
  const pod = { containers: [{ name: 'barrage', image: 'a', env: [{ name: 'X', value: '1' }] }], nodeSelector: { disk: 'fast' } };
  expect(firstDifference(pod, { ...pod, serviceAccountName: 'default' })).toBeUndefined();
  expect(firstDifference(pod, { ...pod, nodeSelector: {} })).toBe('spec.nodeSelector.disk is new');
  const other = { ...pod, containers: [{ name: 'sidecar' }, { name: 'barrage', image: 'b', env: [{ name: 'X', value: '1' }] }] };
  expect(firstDifference(pod, other)).toBe('spec.containers[barrage].image has changed');
  expect(firstDifference({ args: ['a'] }, { args: ['a', 'b'] })).toBe('spec.args has another length');
});

test("no value of a template or of a webhook's URL is told, old or new", () => {
  const ofSidecar = (value: string) =>
    ingredientsWith({ template: { spec: { containers: [{ name: 'sidecar', image: 'x', env: [{ name: 'LICENSE_KEY', value }] }] } } });
  const ofHook = (webhookURL: string) => ingredientsWith({ auth: { webhookURL, allowedOrigins: [] } });
  for (const [made, path] of [
    [ofSidecar, 'spec.containers[sidecar].env[LICENSE_KEY].value has changed'],
    [ofHook, 'spec.containers[barrage].env[BARRAGE_AUTH_URL].value has changed'],
  ] as const) {
    const pod = gatewayPod(made('https://hook:s3cret1@example.com/?token=one'), 'web-aaaaa-0');
    const wanted = gatewayTemplate(made('https://hook:s3cret2@example.com/?token=two'));
    expect(podDifference(wanted, pod as unknown as Parameters<typeof podDifference>[1])).toBe(path);
  }
});
