import { parseArgs } from 'node:util';
import { makeRelease } from './release.ts';

const usage = `Usage: npm run release -- [--dry-run] [--registry HOST/FOLDER] [--builder URI] [--output FOLDER]

Makes all files of the release of package.json's version into dist/release, and prints the lines that publish them.
Without --dry-run the tree must be clean, and the commit must have the tag vVERSION and a section in CHANGELOG.md.
docs/releasing.md says what each file is.
`;

/** Where GitHub runs a workflow, its run; elsewhere somebody's machine, which vouches for nothing. */
function builderOf(environment: Readonly<Record<string, string | undefined>>): string {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name, GITHUB_RUN_ID: run } = environment;
  return server === undefined || name === undefined || run === undefined
    ? 'urn:barrage-live:builder:local'
    : `${server}/${name}/actions/runs/${run}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      'dry-run': { type: 'boolean', default: false },
      registry: { type: 'string', default: 'REGISTRY' },
      builder: { type: 'string', default: builderOf(process.env) },
      output: { type: 'string', default: 'dist/release' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const { 'dry-run': isDryRun, registry, builder, output: folder } = values;
  const release = await makeRelease({ folder, isDryRun, registry, builder, path: process.env['PATH'] ?? '' });
  process.stdout.write(`Barrage ${release.version}, image ${release.digest}\n\n`);
  for (const { name, sha256 } of release.files) process.stdout.write(`  ${sha256.slice(0, 12)}  ${folder}/${name}\n`);
  for (const words of release.leftOut) process.stdout.write(`  left out: ${words}\n`);
  process.stdout.write(`\n${isDryRun ? 'A release would be published by' : 'Publish it'}:\n\n`);
  for (const line of release.lines) process.stdout.write(`  ${line}\n`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`release: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
