/** A file of a release, or what one was made of. */
export interface Digested {
  readonly name: string;
  readonly sha256: string;
}

/** What a release was made of, where, and by whom. */
export interface Making {
  readonly version: string;
  readonly tag: string;
  readonly isDryRun: boolean;
  /** Commit; `undefined` outside a clone. */
  readonly revision: string | undefined;
  readonly isClean: boolean;
  /** Address of the repository; `undefined` where package.json names none. */
  readonly url: string | undefined;
  /** URI of who built it. */
  readonly builder: string;
  readonly platform: string;
  /** Files of the repository and programs that went into it, by their digests. */
  readonly materials: readonly Digested[];
  /** Package URLs of what is in the image's base, without a digest. */
  readonly basePackages: readonly string[];
}

/**
 * A statement about the files of a release: in-toto's Statement v1 with SLSA's provenance v1. It is not signed: who
 * signs it vouches for it.
 */
export function provenanceOf(files: readonly Digested[], making: Making): object {
  const { version, tag, isDryRun, revision, isClean, url, builder, platform, materials, basePackages } = making;
  const source = `git+${url ?? 'https://source.invalid/barrage'}@${isDryRun ? (revision ?? 'unknown') : `refs/tags/${tag}`}`;
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: files.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:barrage-live:release:v1',
        externalParameters: { command: isDryRun ? 'npm run release -- --dry-run' : 'npm run release', version, tag },
        internalParameters: { platform, isClean },
        resolvedDependencies: [
          { uri: source, digest: revision === undefined ? {} : { gitCommit: revision } },
          ...materials.map(({ name, sha256 }) => ({ uri: name, digest: { sha256 } })),
          ...basePackages.map((uri) => ({ uri })),
        ],
      },
      runDetails: { builder: { id: builder } },
    },
  };
}
