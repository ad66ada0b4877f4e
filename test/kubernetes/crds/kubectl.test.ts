import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { edited, fullChannel, fullChannelStatus, fullPool, fullPoolStatus } from './full-objects.ts';
import { openWorkshop } from './workshop.ts';
import type { Workshop } from './workshop.ts';

let workshop: Workshop;
const kubectl = (...args: readonly string[]): Promise<string> => workshop.cluster.kubectl(['-n', workshop.namespace, ...args]);

beforeAll(async () => {
  workshop = await openWorkshop();
  const fixedPool = edited(fullPool, { 'spec.scaling': { type: 'Fixed' }, 'metadata.name': 'fixed' });
  for (const object of [fullPool, fixedPool, fullChannel]) await workshop.create(object);
  await workshop.create(edited(fullPool, { 'metadata.name': 'tiny', spec: {} }));
  await workshop.create(edited(fullChannel, { 'metadata.name': 'other', 'spec.poolRef.name': 'fixed', 'spec.channel': 'video:1' }));
  await kubectl('patch', 'gwp/full', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: fullPoolStatus }));
  await kubectl('patch', 'bch/full', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status: fullChannelStatus }));
}, clusterTimeoutMs);
afterAll(() => workshop.close());

function cells(text: string): readonly (readonly string[])[] {
  const lines = text.trim().split('\n');
  return lines.map((line) => line.split(/ {2,}/));
}

test('kubectl explain tells of every field of a drain', async () => {
  await expect.poll(() => kubectl('explain', 'gatewaypool.spec.drain').catch(String), { timeout: 30_000 }).toContain('deadlineSeconds');
  const text = (await kubectl('explain', 'gatewaypool.spec.drain')).replaceAll(/\s+/g, ' ');
  expect(text).toContain('DESCRIPTION: How a leaving gateway gives up its connections');
  expect(text).toContain('connectionsPerSecond <integer> Connections a second that one draining gateway gives up.');
  expect(text).toContain('enum: Never, BeforeEvictionStarted, Always');
  expect(text).not.toContain('<no description>');
  expect(await kubectl('explain', 'bch.spec.access.publish')).toContain('Who may publish besides backends');
});

test('kubectl get shows how many gateways there are and whether the endpoint works', async () => {
  const [header, fixed, full] = cells(await kubectl('get', 'gwp', '--sort-by=.metadata.name'));
  expect(header).toEqual(['NAME', 'DESIRED', 'CURRENT', 'READY', 'DRAINING', 'STATUS', 'REASON', 'AGE']);
  expect(fixed?.[0]).toBe('fixed');
  expect(full?.slice(0, 7)).toEqual(['full', '3', '2', '1', '1', 'True', 'Working']);
  const [wide, , wideFull] = cells(await kubectl('get', 'gatewaypools', '-o', 'wide', '--sort-by=.metadata.name'));
  expect(wide).toEqual(['NAME', 'DESIRED', 'CURRENT', 'READY', 'DRAINING', 'UP-TO-DATE', 'STATUS', 'REASON', 'AGE']);
  expect(wideFull?.slice(0, 8)).toEqual(['full', '3', '2', '1', '1', '1', 'True', 'Working']);
});

test('kubectl get shows for whom a policy is and whether it is in force, and selects by pool and by channel', async () => {
  const [header, full] = cells(await kubectl('get', 'bch', '-o', 'wide', '--field-selector', 'spec.poolRef.name=full'));
  expect(header).toEqual(['NAME', 'POOL', 'CHANNEL', 'ACCEPTED', 'IN-FORCE', 'REASON', 'AGE']);
  expect(full?.slice(0, 6)).toEqual(['full', 'full', 'video:100001', 'True', 'False', 'Valid']);
  expect(await kubectl('get', 'bch', '-o', 'name', '--field-selector', 'spec.poolRef.name=full')).toBe('barragechannel.barrage.dev/full\n');
  expect(await kubectl('get', 'bch', '-o', 'name', '--field-selector', 'spec.channel=video:1')).toBe('barragechannel.barrage.dev/other\n');
});

test('both kinds are in the category barrage, and kubectl describe tells the conditions', async () => {
  const names = (await kubectl('get', 'barrage', '-o', 'name')).trim().split('\n');
  expect(names.toSorted()).toEqual([
    'barragechannel.barrage.dev/full',
    'barragechannel.barrage.dev/other',
    'gatewaypool.barrage.dev/fixed',
    'gatewaypool.barrage.dev/full',
    'gatewaypool.barrage.dev/tiny',
  ]);
  expect(await kubectl('describe', 'gwp', 'full')).toMatch(/Message: +every gateway takes clients/);
});

test('kubectl scale sets the replicas, within the bounds and rules', async () => {
  expect(await kubectl('scale', 'gwp/fixed', '--replicas=3')).toContain('gatewaypool.barrage.dev/fixed scaled');
  expect(await kubectl('get', 'gwp/fixed', '-o', 'jsonpath={.spec.replicas}')).toBe('3');
  await expect(kubectl('scale', 'gwp/fixed', '--replicas=1001')).rejects.toThrow('should be less than or equal to 1000');
  await expect(kubectl('scale', 'gwp/tiny', '--replicas=2')).rejects.toThrow('a Memory bus allows one gateway only');
});

test('autoscalers find replicas and a selector in the scale subresource', async () => {
  const scale = JSON.parse(await kubectl('get', 'gwp/full', '--subresource=scale', '-o', 'json')) as unknown;
  expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 2 }, status: { replicas: 2, selector: 'barrage.dev/pool=full' } });
});

test('status is written by the status subresource alone, and counts up no generation', async () => {
  await kubectl('patch', 'gwp/fixed', '--type=merge', '-p', '{"status":{"replicas":9}}');
  expect(await kubectl('get', 'gwp/fixed', '-o', 'jsonpath={.status}')).toBe('');
  expect(await kubectl('get', 'gwp/full', '-o', 'jsonpath={.metadata.generation}')).toBe('1');
});

test('the CRDs are far smaller than an annotation may be, and plain kubectl apply takes them', async () => {
  for (const plural of ['gatewaypools', 'barragechannels']) {
    const path = fileURLToPath(new URL(`../../../crds/${plural}.yaml`, import.meta.url));
    const bytes = JSON.stringify(parse(readFileSync(path, 'utf8'))).length;
    console.log(`${plural}: ${bytes} bytes as JSON`);
    expect(bytes).toBeLessThan(262_144 / 4);
    expect(await kubectl('apply', '--dry-run=server', '-f', path)).toContain('dry run');
    expect(
      await kubectl('get', 'crd', `${plural}.barrage.dev`, '-o', 'jsonpath={.status.conditions[?(@.type=="NonStructuralSchema")]}'),
    ).toBe('');
  }
});
