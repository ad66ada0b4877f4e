import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { ClientCensus, otherVersions } from '../../../gateway/accounts/client-census.ts';

test('open connections are counted by kind and version, and forgotten with their end', () => {
  const census = new ClientCensus();
  const groups = [
    census.joined({ kind: 'plain' }),
    census.joined({ kind: 'v1' }),
    census.joined({ kind: 'sse' }),
    census.joined({ kind: 'sdk', version: '1.2.3' }),
    census.joined({ kind: 'sdk', version: '1.2.3' }),
    census.joined({ kind: 'sdk' }),
  ];
  expect(census.kinds()).toEqual({ sdk: 3, v1: 1, plain: 1, sse: 1 });
  expect(Object.fromEntries(census.versions())).toEqual({ '1.2.3': 2, [otherVersions]: 1 });
  for (const group of groups) census.left(group);
  expect(census.kinds()).toEqual({ sdk: 0, v1: 0, plain: 0, sse: 0 });
  expect(Object.fromEntries(census.versions())).toEqual({ [otherVersions]: 0 });
});

test('versions beyond the bound count as other until one is free', () => {
  const census = new ClientCensus();
  const groups = Array.from({ length: limits.clientVersionsMax }, (_, patch) => census.joined({ kind: 'sdk', version: `1.0.${patch}` }));
  const late = census.joined({ kind: 'sdk', version: '2.0.0' });
  expect(late.version).toBe(otherVersions);
  expect(census.versions().size).toBe(limits.clientVersionsMax + 1);
  if (groups[0] !== undefined) census.left(groups[0]);
  expect(census.joined({ kind: 'sdk', version: '2.0.0' }).version).toBe('2.0.0');
  census.left(late);
  expect(census.kinds().sdk).toBe(limits.clientVersionsMax);
});
