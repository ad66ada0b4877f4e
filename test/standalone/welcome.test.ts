import { expect, test } from 'vitest';
import { welcome } from '../../standalone/welcome.ts';

const facts = {
  gatewayPort: 1001,
  publisherPort: 1002,
  adminPort: 1003,
  hasDemo: true,
  mayPagesPublish: true,
  hasOperations: true,
  hasTls: false,
  hasOwnAdminPort: true,
  hasKeys: false,
};

test('on loopback a person is told of both pages, and of a line that needs no key', () => {
  const text = welcome(facts);
  for (const words of ['http://localhost:1001/emit', 'ws://localhost:1001/', 'http://localhost:1003/ops', 'localhost:1002/v1/mesh/publish'])
    expect(text).toContain(words);
  expect(text).not.toMatch(/authorization|API key/);
});

test('a generated key is told once as such and once in the line to paste; pages that may not publish are not told', () => {
  const text = welcome({ ...facts, mayPagesPublish: false, hasOperations: false, key: 'k'.repeat(32) });
  expect(text).toMatch(/API key {4}k{32}\n/);
  expect(text).toContain(`-H 'authorization: Bearer ${'k'.repeat(32)}'`);
  expect(text).not.toMatch(/\/emit|\/ops/);
});

test('keys of the settings are not told: the line to paste has a place for one', () => {
  const text = welcome({ ...facts, hasKeys: true });
  expect(text).toContain('Paste this while the page is open, with a key of BARRAGE_API_KEYS in place of KEY:');
  expect(text).toContain("-H 'authorization: Bearer KEY'");
});

test('with TLS every address but that of an admin port of its own says so', () => {
  const text = welcome({ ...facts, hasTls: true });
  for (const words of ['https://localhost:1001/', 'wss://localhost:1001/', 'curl https://', '--cacert FILE', 'http://localhost:1003/ops'])
    expect(text).toContain(words);
  expect(welcome(facts)).not.toContain('--cacert');
});

test('without the demo nothing is said of pages', () => {
  expect(welcome({ ...facts, hasDemo: false })).not.toMatch(/watch|emit|demo|page/);
});
