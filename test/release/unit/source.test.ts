import { expect, test } from 'vitest';
import { addressesOf, sourceLabels } from '../../../release/image/source.ts';

const home = 'https://barrage.example';
const code = 'https://code.example/barrage';

test.each([
  ['no address', {}, { url: undefined, homepage: undefined }],
  ['a homepage', { homepage: home }, { url: home, homepage: home }],
  ['a repository as npm writes it', { repository: { url: `git+${code}.git` } }, { url: code, homepage: code }],
  ['a repository in short', { repository: code }, { url: code, homepage: code }],
  ['both', { homepage: home, repository: { url: `git+${code}.git` } }, { url: code, homepage: home }],
])('the addresses of a package.json with %s', (_what, manifest, addresses) => {
  expect(addressesOf(manifest)).toEqual(addresses);
});

test('an image is labelled with the addresses that there are', () => {
  const source = { version: '1.2.0', revision: 'abc', isClean: true };
  const names = (labels: Readonly<Record<string, string>>): readonly string[] =>
    Object.keys(labels).map((name) => name.replace(/.*\./, ''));
  expect(names(sourceLabels({ ...source, url: undefined, homepage: undefined }))).toEqual(['version', 'revision']);
  expect(sourceLabels({ ...source, url: code, homepage: home })).toMatchObject({
    'org.opencontainers.image.source': code,
    'org.opencontainers.image.url': home,
  });
});
