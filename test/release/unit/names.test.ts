import { expect, test } from 'vitest';
import { fullName } from '../../../release/image/archive.ts';
import { licenceText } from '../../../release/image/packages.ts';

test.each([
  ['barrage:test', 'docker.io/library/barrage:test'],
  ['someone/barrage:1', 'docker.io/someone/barrage:1'],
  ['registry.example/barrage:1', 'registry.example/barrage:1'],
  ['localhost/barrage:1', 'localhost/barrage:1'],
  ['registry:5000/a/b:1', 'registry:5000/a/b:1'],
])('the image %s is %s in full', (name, full) => {
  expect(fullName(name)).toBe(full);
});

test('packages with one licence text share it; a package without a text is named with its licence', () => {
  const text = licenceText([
    { name: 'a', version: '1', license: 'MIT', texts: ['Permission'] },
    { name: 'b', version: '2', license: 'MIT', texts: ['Permission'] },
    { name: 'c', version: '3', license: 'Unlicense', texts: [] },
  ]);
  expect(text.match(/Permission/g)).toHaveLength(1);
  expect(text).toContain('a 1 (MIT)\nb 2 (MIT)\n\nPermission');
  expect(text).toContain('c 3 (Unlicense)\n\nLicense: Unlicense');
});
