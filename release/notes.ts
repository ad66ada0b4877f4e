/**
 * The lines of one version in the changelog, without its heading. Without a section of its own a version is what is
 * unreleased.
 * @returns `isOwn`: whether the version has its section
 */
export function notesOf(changelog: string, version: string): { readonly text: string; readonly isOwn: boolean } {
  const sections = new Map(
    changelog
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const [heading = '', ...lines] = section.split('\n');
        return [heading.trim().split(/\s/)[0] ?? '', lines.join('\n').trim()] as const;
      }),
  );
  const own = sections.get(version);
  return { text: own ?? sections.get('Unreleased') ?? '', isOwn: own !== undefined };
}

/** What is known before a release is made. */
export interface ReleaseState {
  readonly version: string;
  /** Whether the files are those of the commit. */
  readonly isClean: boolean;
  /** Tags of the commit. */
  readonly tags: readonly string[];
  /** Whether the changelog has a section of this version. */
  readonly hasNotes: boolean;
}

/** The tag of a version: its only other spelling. */
export function tagOf(version: string): string {
  return `v${version}`;
}

/** The reasons for which this commit can't be released, each with what to do. */
export function releaseFaults({ version, isClean, tags, hasNotes }: ReleaseState): readonly string[] {
  const tag = tagOf(version);
  return [
    ...(isClean ? [] : ['the tree has changes that are in no commit: commit them, or take them away']),
    ...(hasNotes ? [] : [`CHANGELOG.md has no section "## ${version}": rename "## Unreleased", and begin a new one above it`]),
    ...(tags.includes(tag) ? [] : [`this commit has no tag ${tag}, which is the version of package.json: git tag -s ${tag}`]),
  ];
}

/** The files of a release, by what they are. */
export interface ReleaseFiles {
  readonly image: string;
  readonly chart: string;
  /** Packages for npm. */
  readonly packages: readonly string[];
  readonly notes: string;
}

/** The lines for a shell that publish a release. @param registry host and folder of an OCI registry */
export function publishLines(version: string, files: ReleaseFiles, registry: string): readonly string[] {
  return [
    `skopeo copy --preserve-digests oci-archive:${files.image} docker://${registry}/barrage:${version}`,
    `helm push ${files.chart} oci://${registry}/charts`,
    // npm takes `FOLDER/FILE` for a repository of GitHub.
    ...files.packages.map((path) => `npm publish ${path.startsWith('/') ? path : `./${path}`} --access public --provenance`),
    `git push origin ${tagOf(version)}`,
    `gh release create ${tagOf(version)} --notes-file ${files.notes} ${files.notes.replace(/[^/]*$/, '*')}`,
  ];
}
