import type { SourceFile } from './imports.ts';

/** Files that only decide: they are given the time and chance, and do no input or output. */
export const pureFiles: readonly string[] = [
  ...['accept-budget', 'admission', 'crowd-backoff', 'idle-rule', 'send-queue'].map((name) => `gateway/connections/${name}.ts`),
  ...[
    'commands/outcome',
    'commands/plain-command',
    'commands/v1-command',
    'identity/channel-access',
    'identity/identity',
    'identity/web-address',
  ].map((name) => `gateway/${name}.ts`),
  'client/replay/comment-file.ts',
  ...['moving/age-plan', 'moving/connect-answer', 'moving/drain-plan', 'moving/public-address', 'moving/reach'].map(
    (name) => `gateway/${name}.ts`,
  ),
  'gateway/readiness.ts',
  'gateway/script/script-request.ts',
  ...['document', 'pool', 'report', 'size', 'unit-costs'].map((name) => `sizing/${name}.ts`),
  ...['documents', 'headers', 'pull-request', 'refusals', 'segments'].map((name) => `gateway/pull/${name}.ts`),
  ...['refusals', 'stream-lines', 'stream-request'].map((name) => `gateway/streams/${name}.ts`),
  ...[
    'accounts/client-census',
    'accounts/policy-accounts',
    'accounts/tally',
    'connections/client-of',
    'rooms/cold-rooms',
    'rooms/cut-accounts',
    'rooms/joining',
    'rooms/delivery',
    'rooms/members',
    'rooms/top-channels',
  ].map((name) => `gateway/${name}.ts`),
  ...[
    'addresses',
    'arguments',
    'backoff',
    'command-queue',
    'cursor',
    'directions',
    'errors',
    'holdback',
    'liveness',
    'move',
    'position',
    'publishing',
    'recalls',
    'server-clock',
    'snapshot-gate',
    'sums',
    'transport/choice',
    'transport/event-reader',
    'transport/follower',
    'transport/pulled',
    'wire',
  ].map((name) => `client/${name}.ts`),
  ...[
    'bus/report-message',
    'bus/report-table',
    'bus/room-reporter',
    'redis/server-answers',
    'redis/slots',
    'redis/redirect',
    'bus/epoch',
    'bus/append-bounds',
    'bus/append-result',
    'bus/remembered-keys',
    'process/loopback',
    'tls/certificate-pair',
    'tls/first-bytes',
    'tls/handshake-result',
  ].map((name) => `core/${name}.ts`),
  ...['defaulting', 'defaults', 'shape', 'shapes', 'stored-objects'].map((name) => `operator/api/${name}.ts`),
  'operator/reconcile/pod-view.ts',
  ...['answers', 'errors', 'failures', 'payload', 'turns'].map((name) => `backend/${name}.ts`),
];

/** Folders in which every file only decides; `core` itself, without the folders in it, is one. */
export const pureFolders: readonly string[] = [
  'cli/view/',
  'core/policy/',
  'core/pool/',
  'core/protocol/',
  'gateway/encoding/',
  'gateway/merging/',
  'gateway/recovery/',
  'operator/decide/',
  'operator/desired/',
  'operator/runtime/',
  'ops/view/',
];

/** The folders of the gateway: imports go down this list, never up. */
const gatewayFolders = [
  'streams',
  'commands',
  'moving',
  'script',
  'pull',
  'connections',
  'rooms',
  'identity',
  'accounts',
  'recovery',
  'merging',
  'encoding',
].map((name) => `gateway/${name}`);
/** The folders of the command line. */
const cliFolders = ['commands', 'places', 'kube', 'view'].map((name) => `cli/${name}`);
const coreOfProcesses = ['core', 'core/bus', 'core/policy', 'core/pool', 'core/process', 'core/protocol', 'core/redis', 'core/tls'];
const coreOfRules = ['core', 'core/policy', 'core/pool', 'core/protocol'];

/**
 * Who may import whom, types included: each folder, to its second level, with the folders that it may reach besides
 * itself.
 */
export const reach: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'core/protocol': ['core'],
  'core/policy': ['core'],
  'core/pool': ['core', 'core/policy'],
  'core/process': ['core', 'core/policy', 'core/pool', 'core/tls'],
  'core/tls': ['core', 'core/process'],
  'core/bus': ['core'],
  'core/redis': ['core', 'core/bus', 'core/process'],
  gateway: [...coreOfProcesses, ...gatewayFolders, 'ops', 'ops/view'],
  ...Object.fromEntries(
    gatewayFolders.map((folder, index) => [
      folder,
      [...coreOfRules, ...(isPure(`${folder}/`) ? [] : ['core/bus', 'core/process', 'core/tls']), ...gatewayFolders.slice(index + 1)],
    ]),
  ),
  // In a checkout a gateway makes the client for browsers of its sources.
  'gateway/script': ['core/process', 'gateway/pull', 'gateway/accounts', 'client/package'],
  publisher: [...coreOfProcesses, 'ops', 'ops/view'],
  client: ['client/transport', 'core', 'core/protocol'],
  'client/transport': ['client', 'core', 'core/protocol'],
  'client/demo': ['client'],
  'client/package': ['client'],
  'client/replay': ['client', 'client/demo', 'core', 'core/process'],
  'client/trial': ['client', 'client/replay'],
  backend: ['core'],
  standalone: [...coreOfProcesses, 'gateway', 'gateway/connections', 'publisher', 'client/demo', 'ops'],
  cli: ['core', ...cliFolders],
  'cli/commands': ['client', 'core', 'core/pool', 'core/process', 'cli', ...cliFolders.slice(1), 'operator/api', 'operator/desired'],
  'cli/places': ['core', 'core/pool', 'core/process', 'cli', 'cli/kube', 'cli/view', 'operator/api', 'operator/desired'],
  'cli/kube': ['core/process', 'cli', 'cli/view'],
  'cli/view': ['core', 'core/pool', 'operator/api', 'operator/decide', 'operator/desired'],
  operator: ['core', 'core/process', 'ops', ...['decide', 'desired', 'kube', 'reconcile', 'runtime'].map((name) => `operator/${name}`)],
  'operator/reconcile': [
    ...coreOfRules,
    'core/process',
    'ops',
    'ops/view',
    ...['api', 'decide', 'desired', 'kube', 'runtime'].map((name) => `operator/${name}`),
  ],
  'operator/decide': [...coreOfRules, 'operator/api', 'operator/desired'],
  'operator/desired': [...coreOfRules, 'operator/api'],
  'operator/kube': ['core', 'core/process', 'operator/runtime'],
  'operator/runtime': ['core'],
  'operator/api': ['core'],
  // They build what the others are, and run none of it.
  release: ['cli', 'release/image'],
  'release/image': ['client/demo', 'client/package'],
  monitoring: [],
  sizing: [],
  'monitoring/alerts': [],
  'monitoring/metrics': [
    'core/process',
    'core/redis',
    'core/tls',
    'gateway/accounts',
    'gateway/moving',
    'publisher',
    'operator/kube',
    'operator/reconcile',
    'ops',
  ],
  ops: ['core', 'core/bus', 'core/pool', 'core/process', 'ops/view'],
  'ops/view': [],
  // The browser loads these two folders, so they reach nothing else, and no package.
  'ops/page': ['ops/view'],
  'monitoring/dashboards': ['monitoring'],
};

/** Single files that a folder may reach, though not the folder that they are in. */
const openFiles: Readonly<Record<string, readonly string[]>> = {
  'operator/reconcile/pod-view.ts': ['cli/places'],
  // The version.
  'package.json': ['cli'],
};

/** A browser loads the client: of core it may have what is free of Node, at run time. */
const browserSafe = new Set(['core/backoff.ts', 'core/protocol/barrage-v1.ts', 'core/close-codes.ts', 'core/token-bucket.ts']);

/** Packages that are imported in named places only. */
const packageHomes: Readonly<Record<string, (path: string) => boolean>> = {
  ws: (path) => ['gateway/connections/web-sockets.ts', 'publisher/socket.ts', 'cli/kube/tunnel.ts'].includes(path),
  jose: (path) => path === 'gateway/identity/token-verifier.ts',
  pino: (path) => path === 'core/process/logging.ts',
  'pino-pretty': (path) => path === 'core/process/logging.ts',
  ioredis: (path) => path.startsWith('core/redis/'),
  '@kubernetes/client-node': (path) => path.startsWith('operator/kube/') || path.startsWith('cli/kube/'),
  commander: (path) => path.startsWith('cli/'),
  ...Object.fromEntries(
    ['api', 'exporter-trace-otlp-http', 'exporter-trace-otlp-proto', 'sdk-node'].map((name) => [
      `@opentelemetry/${name}`,
      (path: string) => path === 'core/process/open-telemetry.ts',
    ]),
  ),
};

/** Packages that a decision may use: they compute. */
const purePackages = new Set([
  'node:assert/strict',
  'node:buffer',
  'node:crypto',
  // Of it `createSecureContext`, which computes.
  'node:tls',
  'node:util',
  'cluster-key-slot',
  'lru-cache',
  'yaml',
  'zod',
]);

const impure =
  /\b(?:Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\b|\bprocess\.|\bnew Date\(\)|\brandom(?:Bytes|Int|UUID|FillSync)\b|\bgetRandomValues\b|\bconsole\./;
const forbiddenNames = /(?:^|\/)(?:utils?|helpers?|manager|common|handlers?|services?|types|index)\.ts$/;
const linesMax = 400;

function isPure(path: string): boolean {
  return pureFiles.includes(path) || pureFolders.some((folder) => path.startsWith(folder)) || /^core\/[^/]+\.ts$/.test(path);
}

/** Every breach of the borders, in words; empty is good. */
export function breaches(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => [...importBreaches(file), ...contentBreaches(file)]);
}

function importBreaches({ path, imports }: SourceFile): readonly string[] {
  const folder = folderOf(path);
  const only = isPure(path);
  const allowed = reach[folder] ?? [];
  return imports.flatMap(({ target, kind, isTypeOnly }) => {
    if (only && !isTypeOnly && (kind === 'package' ? !purePackages.has(target) : !isPure(target)))
      return [`${path} only decides, but imports ${target}, which does more`];
    if (kind === 'package' && /^ops\/(?:page|view)\//.test(path)) return [`${path} brings ${target} into the browser`];
    if (kind === 'package') return packageHomes[target]?.(path) === false ? [`${path} imports ${target}, which has its own place`] : [];
    const to = folderOf(target);
    if (to !== folder && !allowed.includes(to) && openFiles[target]?.includes(folder) !== true)
      return [`${path} reaches into ${to}/ (${target})`];
    if (target.endsWith('/main.ts')) return [`${path} imports a main.ts (${target})`];
    const isBrowserCode =
      path.startsWith('client/') && !['client/replay', 'client/trial'].includes(folder) && path !== 'client/demo/site.ts';
    if (isBrowserCode && target.startsWith('core/') && !isTypeOnly && !browserSafe.has(target))
      return [`${path} brings ${target} into the browser`];
    return [];
  });
}

function contentBreaches({ path, text }: SourceFile): readonly string[] {
  const found: string[] = [];
  if (isPure(path)) {
    const match = impure.exec(withoutComments(text));
    if (match !== null) found.push(`${path} only decides, but uses ${match[0]}`);
  }
  const mayUseProcess = path.endsWith('main.ts') || path.startsWith('core/process/') || path.startsWith('client/');
  if (!mayUseProcess && /\bprocess\.(?:env|exit|on|once|argv|stdout|stderr)\b/.test(withoutComments(text)))
    found.push(`${path} touches process: leave that to main.ts and core/process`);
  if (forbiddenNames.test(path)) found.push(`${path}: a name that says nothing of what is in it`);
  if (text.split('\n').length > linesMax + 1) found.push(`${path} is longer than ${linesMax} lines`);
  return found;
}

/** The folder to its second level: `gateway/rooms`, and `gateway` for what lies in it itself. */
function folderOf(path: string): string {
  return path.split('/').slice(0, -1).slice(0, 2).join('/');
}

/** Files that import each other in a circle, types included: each circle once. Empty is good. */
export function circles(files: readonly SourceFile[]): readonly string[] {
  const imports = new Map(files.map((file) => [file.path, file.imports.map(({ target }) => target)]));
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, way: readonly string[]): void => {
    if (state.get(path) === 'open') found.push([...way.slice(way.indexOf(path)), path].join(' → '));
    if (state.has(path)) return;
    state.set(path, 'open');
    for (const target of imports.get(path) ?? []) if (imports.has(target)) visit(target, [...way, path]);
    state.set(path, 'done');
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
