import { documentPaths, readDocument } from '../architecture/documents.ts';
import { codeBlocks, type CodeBlock } from './code-blocks.ts';

/** A line of shell with what it continues on. */
function commandLines({ code }: CodeBlock): readonly string[] {
  return code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const forCluster = 'test/kubernetes/docs/commands.test.ts';
const forProcesses = 'test/docs/commands.test.ts';

/** The test for a line of shell: one that asks a cluster, or one that asks Redis, a port or nothing but the shell. */
function runnerOfLine(line: string): string | undefined {
  if (/^(?:KEY=\$\()?(?:kubectl|helm|docker) /.test(line) || line.includes('$(kubectl ')) return forCluster;
  return /^(?:curl|redis-cli|timeout|openssl|printf|grep) /.test(line) || line.endsWith('npm start') ? forProcesses : undefined;
}

function areCommands(block: CodeBlock): boolean {
  return block.language === 'sh' && commandLines(block).every((line) => runnerOfLine(line) !== undefined);
}

interface Runner {
  readonly runs: (path: string, block: CodeBlock) => boolean;
  /** The test. It finds the block by itself: it reads the page. */
  readonly test: string;
}

const page = (path: string, ...languages: readonly string[]) => {
  return (each: string, block: CodeBlock): boolean => each === path && languages.includes(block.language);
};

/** Which test runs which blocks of our documents; the first one that matches. */
export const runners: readonly Runner[] = [
  { runs: (path, { words }) => path.startsWith('docs/from/') && words !== '', test: 'test/docs/from.test.ts' },
  { runs: page('docs/tutorial.md', 'sh', 'js', 'yaml', 'html'), test: 'test/docs/tutorial.test.ts' },
  { runs: (_path, { language }) => language === 'vector', test: 'test/core/protocol-document.test.ts' },
  { runs: page('docs/publish-api.md', 'sh', 'json'), test: 'test/publisher/docs.test.ts' },
  { runs: page('docs/client.md', 'ts'), test: 'test/client/docs.test.ts' },
  { runs: page('docs/sse.md', 'nginx', 'js'), test: 'test/gateway/sockets/stream-browser.test.ts' },
  { runs: (path, { code }) => path === 'docs/kubectl.md' && code.includes('/usr/local/bin'), test: forProcesses },
  { runs: page('docs/pull.md', 'nginx'), test: 'test/gateway/sockets/pull-cache.test.ts' },
  { runs: page('docs/pull.md', 'json'), test: 'test/gateway/pull/documents.test.ts' },
  { runs: page('docs/operator-transcript.md', 'console'), test: 'test/pods/conditions.test.ts' },
  { runs: page('docs/operator.md', 'yaml'), test: 'test/kubernetes/crds/examples.test.ts' },
  { runs: page('docs/logs.md', 'yaml'), test: 'test/kubernetes/crds/examples.test.ts' },
  { runs: page('docs/traces.md', 'yaml'), test: 'test/kubernetes/crds/examples.test.ts' },
  { runs: page('docs/api.md', 'yaml'), test: 'test/kubernetes/crds/defaults.test.ts' },
  { runs: page('docs/policies.md', 'yaml'), test: 'test/docs/commands.test.ts' },
  { runs: page('docs/placement.md', 'json'), test: 'test/docs/commands.test.ts' },
  { runs: (path, { language }) => path.startsWith('docs/runbooks/') && language === 'promql', test: 'test/monitoring/unit/alerts.test.ts' },
  { runs: (_path, { code }) => code === 'node monitoring/dashboards/generate.ts', test: 'test/monitoring/unit/dashboards.test.ts' },
  { runs: (_path, { code }) => code === 'npm run release -- --dry-run', test: 'test/release/release.test.ts' },
  { runs: (_path, { code }) => code === 'npm run replay', test: 'test/replay/replay.test.ts' },
  { runs: (_path, block) => areCommands(block), test: forProcesses },
];

/** The test that runs a block; undefined where none does. */
export function runnerOf(path: string, block: CodeBlock): string | undefined {
  return runners.find(({ runs }) => runs(path, block))?.test;
}

/** Blocks of another product, beside ours. */
function isTheirs(path: string, { words: side }: CodeBlock): boolean {
  return path.startsWith('docs/from/') && side === 'before' && path !== 'docs/from/connmix.md';
}

interface PlacedBlock {
  readonly path: string;
  /** `PATH:LINE` */
  readonly place: string;
  readonly block: CodeBlock;
}

/**
 * All blocks of our own in README.md, docs/ and the charts' pages. Packages and examples have pages beside their code,
 * with tests of their own.
 */
export function documentedBlocks(): readonly PlacedBlock[] {
  const paths = documentPaths().filter((path) => /^(?:README\.md|docs\/|charts\/)/.test(path));
  const all = paths.flatMap((path) => codeBlocks(readDocument(path)).map((block) => ({ path, place: `${path}:${block.line}`, block })));
  return all.filter(({ path, block }) => !isTheirs(path, block));
}

/** The lines of shell that a test has to run, each once, with the place where it stands first. */
export function commandsOf(test: string): readonly { readonly place: string; readonly line: string }[] {
  const blocks = documentedBlocks().filter(
    ({ path, block }) => block.notRun === undefined && runnerOf(path, block) === forProcesses && areCommands(block),
  );
  const lines = blocks.flatMap(({ place, block }) => commandLines(block).map((line) => ({ place, line })));
  const own = lines.filter(({ line }) => runnerOfLine(line) === test);
  return own.filter(({ line }, index) => own.findIndex((each) => each.line === line) === index);
}
