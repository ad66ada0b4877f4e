/** What the package takes from the repository's own `package.json`. */
export interface RootManifest {
  readonly version: string;
  readonly license: string;
  /** Both are absent until the repository has an address. */
  readonly homepage?: string;
  readonly repository?: unknown;
}

/** The `package.json` of `@barrage-live/client`. */
export function manifestOf({ version, license, homepage, repository }: RootManifest): object {
  return {
    name: '@barrage-live/client',
    version,
    description: 'Client of Barrage, realtime push for live video: subscribe, publish, gaps that are told, for browsers and Node',
    keywords: ['realtime', 'websocket', 'pubsub', 'live', 'danmaku', 'push'],
    license,
    homepage,
    repository,
    type: 'module',
    // Node before 22 has no WebSocket of its own: there the option `webSocket` gives one.
    engines: { node: '>=20' },
    sideEffects: false,
    types: './index.d.ts',
    main: './index.js',
    module: './index.js',
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './barrage.js': { types: './index.d.ts', default: './barrage.js' },
      './package.json': './package.json',
    },
    files: ['*.js', '*.d.ts'],
  };
}
