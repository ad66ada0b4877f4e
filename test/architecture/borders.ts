import type { SourceFile } from './imports.ts';

/** Who may import whom: each folder with the folders that it may reach besides itself. */
export const reach: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gateway: ['core'],
  publisher: ['core'],
  client: ['core'],
  standalone: ['core', 'gateway', 'publisher', 'client'],
  operator: ['core'],
};

/** A browser loads the client: of core it may have what is free of Node, at run time. */
const browserSafe = new Set(['core/backoff.ts', 'core/protocol/barrage-v1.ts', 'core/close-codes.ts', 'core/token-bucket.ts']);

/** Packages that are imported in named places only. */
const packageHomes: Readonly<Record<string, (path: string) => boolean>> = {
  ws: (path) => path === 'gateway/connections/web-sockets.ts' || path === 'publisher/socket.ts',
  jose: (path) => path === 'gateway/identity/token-verifier.ts',
  ioredis: (path) => path.startsWith('core/redis/'),
  '@kubernetes/client-node': (path) => path.startsWith('operator/kube/'),
};

/** Decisions: no clock, no chance, no input or output; they are given a time and a source of randomness. */
export const pureFiles: readonly string[] = [
  ...['backoff', 'channel', 'clock', 'publication', 'client-id', 'close-codes', 'json', 'limits', 'token-bucket'].map(
    (name) => `core/${name}.ts`,
  ),
  ...['bus/report-message', 'bus/report-table', 'bus/room-reporter'].map((name) => `core/${name}.ts`),
  ...['redis/slots', 'redis/redirect', 'redis/server-answers', 'protocol/barrage-v1'].map((name) => `core/${name}.ts`),
  ...['accept-budget', 'admission', 'crowd-backoff', 'idle-rule', 'send-queue'].map((name) => `gateway/connections/${name}.ts`),
  'gateway/commands/v1-command.ts',
  ...['identity/channel-access', 'moving/connect-answer', 'moving/public-address', 'moving/drain-plan'].map((name) => `gateway/${name}.ts`),
  ...['rooms/members', 'rooms/top-channels', 'tally'].map((name) => `gateway/${name}.ts`),
  ...['addresses', 'arguments', 'backoff', 'command-queue', 'cursor', 'liveness', 'move', 'position'].map((name) => `client/${name}.ts`),
];

/** Folders in which every file is a decision. */
export const pureFolders: readonly string[] = [
  'core/policy/',
  'core/pool/',
  'gateway/encoding/',
  'gateway/merging/',
  'operator/decide/',
  'operator/desired/',
  'operator/runtime/',
];

const impure = /\b(?:Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\b|\bprocess\./;
const forbiddenNames = /(?:^|\/)(?:utils?|helpers?|manager|common|handlers?|services?|types|index)\.ts$/;
const linesMax = 400;

/** Every breach of the borders, in words; empty is good. */
export function breaches(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => [...importBreaches(file), ...contentBreaches(file)]);
}

function importBreaches({ path, imports }: SourceFile): readonly string[] {
  const folder = folderOf(path);
  const allowed = reach[folder] ?? [];
  return imports.flatMap(({ target, kind, isTypeOnly }) => {
    if (kind === 'package') return packageHomes[target]?.(path) === false ? [`${path} imports ${target}, which has its own place`] : [];
    const to = folderOf(target);
    if (to !== folder && !allowed.includes(to)) return [`${path} reaches into ${to}/ (${target})`];
    if (target.endsWith('/main.ts')) return [`${path} imports a main.ts (${target})`];
    const isBrowserCode = folder === 'client' && !path.startsWith('client/replay/') && path !== 'client/demo/site.ts';
    if (isBrowserCode && to === 'core' && !isTypeOnly && !browserSafe.has(target)) return [`${path} brings ${target} into the browser`];
    return [];
  });
}

function contentBreaches({ path, text }: SourceFile): readonly string[] {
  const found: string[] = [];
  if (pureFiles.includes(path) || pureFolders.some((folder) => path.startsWith(folder))) {
    const match = impure.exec(withoutComments(text));
    if (match !== null) found.push(`${path} is a decision, but uses ${match[0]}`);
  }
  const mayUseProcess = path.endsWith('main.ts') || path.startsWith('core/process/') || path.startsWith('client/');
  if (!mayUseProcess && /\bprocess\.(?:env|exit|on|once|argv|stdout|stderr)\b/.test(withoutComments(text)))
    found.push(`${path} touches process: leave that to main.ts and core/process`);
  if (forbiddenNames.test(path)) found.push(`${path}: a name that says nothing of what is in it`);
  if (text.split('\n').length > linesMax + 1) found.push(`${path} is longer than ${linesMax} lines`);
  return found;
}

function folderOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
