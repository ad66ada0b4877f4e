import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDefinitions } from '../../../operator/api/generation/files.ts';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { boundCases } from './bound-cases.ts';
import { edited, fullChannel, fullChannelStatus, fullPool, fullPoolStatus } from './full-objects.ts';
import { openWorkshop } from './workshop.ts';
import type { Workshop } from './workshop.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
  await workshop.create(fullPool);
  await workshop.create(fullChannel);
}, clusterTimeoutMs);
afterAll(() => workshop.close());

for (const definition of readDefinitions()) {
  const isPool = definition.kind === 'GatewayPool';
  const full = isPool ? fullPool : fullChannel;

  describe(`${definition.kind}.spec`, () => {
    test.each(boundCases(definition, 'spec'))('$title', async ({ field, accepted, refused, says }) => {
      const named = edited(full, { 'metadata.name': 'another' });
      expect(await workshop.tryCreate(edited(named, accepted))).toEqual([]);
      expect(await workshop.tryCreate(edited(named, refused))).toContainEqual({ field, message: expect.stringContaining(says) });
    });
  });

  describe(`${definition.kind}.status`, () => {
    test.each(boundCases(definition, 'status'))('$title', async ({ field, accepted, refused, says }) => {
      const reported = { ...full, status: isPool ? fullPoolStatus : fullChannelStatus };
      expect(await workshop.tryReport(edited(reported, accepted))).toEqual([]);
      expect(await workshop.tryReport(edited(reported, refused))).toContainEqual({ field, message: expect.stringContaining(says) });
    });
  });
}

test('a field that is misspelt is refused by its name', async () => {
  const misspelt = edited(fullPool, { 'metadata.name': 'another', 'spec.drain.deadlineSecond': 1 });
  expect(await workshop.tryCreate(misspelt)).toContainEqual({
    field: '',
    message: expect.stringContaining('unknown field "spec.drain.deadlineSecond"'),
  });
});
