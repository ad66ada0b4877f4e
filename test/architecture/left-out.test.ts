import { expect, test } from 'vitest';
import { leftOutOf, leftOutParts, longForms } from '../suite.ts';
import { readSources } from './imports.ts';

const tests = readSources('test').filter(({ path }) => path.endsWith('.test.ts'));

test('what uses a cluster is in a folder that can be left out', () => {
  const users = tests.filter(({ imports }) => imports.some(({ target }) => target === 'test/support/cluster.ts'));
  expect(users.length).toBeGreaterThan(1);
  const folders = leftOutParts('kubernetes').map(({ folder }) => `${folder}/`);
  expect(users.filter(({ path }) => !folders.some((folder) => path.startsWith(folder))).map(({ path }) => path)).toEqual([]);
});

test('what uses a node is in the folder of the tests with pods', () => {
  const users = tests.filter(({ text }) => /\b(?:sharedNode|startNode)\(/.test(text));
  expect(users.length).toBeGreaterThan(1);
  expect(users.filter(({ path }) => !path.startsWith('test/pods/')).map(({ path }) => path)).toEqual([]);
});

test('what makes network namespaces, which needs root, is in a folder that is left out with the pods', () => {
  const users = tests.filter(({ imports }) => imports.some(({ target }) => target.endsWith('/bad-network.ts')));
  expect(users.length).toBeGreaterThan(0);
  expect(users.filter(({ path }) => !path.startsWith('test/end-to-end/network/')).map(({ path }) => path)).toEqual([]);
});

test('who leaves the API server out leaves the pods out too; nothing is left out without a wish', () => {
  expect(leftOutParts('pods').map(({ folder }) => folder)).toEqual(['test/pods', 'test/end-to-end/network']);
  expect(leftOutParts('kubernetes').map(({ folder }) => folder)).toEqual(['test/kubernetes', 'test/pods', 'test/end-to-end/network']);
  expect(leftOutParts('')).toEqual([]);
  expect(() => leftOutParts('redis')).toThrow('use pods or kubernetes');
});

test('a long form waits for Kubernetes only where its file does', () => {
  const leftOut = ([name, path]: readonly [string, string]): readonly unknown[] => [name, leftOutOf(path).map(({ folder }) => folder)];
  expect(Object.fromEntries([...longForms].map(leftOut) as [string, unknown][])).toEqual({
    size: [],
    idle: [],
    outage: ['test/kubernetes', 'test/pods', 'test/end-to-end/network'],
    killed: ['test/kubernetes', 'test/pods', 'test/end-to-end/network'],
    'last-mile': ['test/kubernetes', 'test/pods', 'test/end-to-end/network'],
    paused: ['test/kubernetes', 'test/pods', 'test/end-to-end/network'],
    network: ['test/kubernetes', 'test/pods'],
  });
});
