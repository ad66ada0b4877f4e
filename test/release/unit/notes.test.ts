import { expect, test } from 'vitest';
import { notesOf, publishLines, releaseFaults } from '../../../release/notes.ts';
import { provenanceOf } from '../../../release/provenance.ts';

const changelog =
  '# Changelog\n\nWords.\n\n## Unreleased\n\n### Added\n\n- New.\n\n## 1.2.0 (2026-11-30)\n\n- Old.\n\n## 1.1.0\n\n- Older.\n';

test('a version has its own section of the changelog, or what is unreleased', () => {
  expect(notesOf(changelog, '1.2.0')).toEqual({ text: '- Old.', isOwn: true });
  expect(notesOf(changelog, '1.3.0')).toEqual({ text: '### Added\n\n- New.', isOwn: false });
  expect(notesOf('# Changelog\n', '1.3.0')).toEqual({ text: '', isOwn: false });
});

const good = { version: '1.2.0', isClean: true, tags: ['other', 'v1.2.0'], hasNotes: true };

test('a clean commit with its tag and its notes can be released', () => {
  expect(releaseFaults(good)).toEqual([]);
});

test.each([
  ['changes beside it', { isClean: false }, 'in no commit'],
  ['no tag', { tags: [''] }, 'git tag -s v1.2.0'],
  ['another tag', { tags: ['v1.2.1'] }, 'has no tag v1.2.0'],
  ['no notes', { hasNotes: false }, 'no section "## 1.2.0"'],
])('a commit with %s can’t be released, and is told why', (_, change, words) => {
  expect(releaseFaults({ ...good, ...change })).toEqual([expect.stringContaining(words)]);
});

test('the lines that publish name the registry, and each file once', () => {
  const files = { image: 'a/i.tar', chart: 'a/c.tgz', packages: ['a/one.tgz', 'a/two.tgz'], notes: 'a/NOTES.md' };
  expect(publishLines('1.2.0', files, 'r.example/x')).toEqual([
    'skopeo copy --preserve-digests oci-archive:a/i.tar docker://r.example/x/barrage:1.2.0',
    'helm push a/c.tgz oci://r.example/x/charts',
    'npm publish ./a/one.tgz --access public --provenance',
    'npm publish ./a/two.tgz --access public --provenance',
    'git push origin v1.2.0',
    'gh release create v1.2.0 --notes-file a/NOTES.md a/*',
  ]);
});

test('a statement names the tag of a release, and the commit of a dry run', () => {
  const making = {
    version: '1.2.0',
    tag: 'v1.2.0',
    isDryRun: false,
    revision: 'abc',
    isClean: true,
    url: 'https://code.example/barrage',
    builder: 'urn:b',
    platform: 'linux/amd64',
    materials: [],
    basePackages: [],
  };
  expect(JSON.stringify(provenanceOf([], making))).toContain('"uri":"git+https://code.example/barrage@refs/tags/v1.2.0"');
  const dry = JSON.stringify(provenanceOf([], { ...making, isDryRun: true, url: undefined }));
  expect(dry).toContain('"uri":"git+https://source.invalid/barrage@abc"');
});
