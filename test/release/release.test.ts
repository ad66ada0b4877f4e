import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { sdkVersion } from '../../client/version.ts';
import { findProgram } from '../cluster/programs.ts';
import { codeBlocks } from '../docs/code-blocks.ts';
import { launchChromium } from '../support/chromium.ts';
import { neutralEnvironment } from '../support/environment.ts';
import { freePort } from '../support/free-port.ts';
import { containerOf, cpuSeconds, download, instructionsOf, Program, type, UnpackedImage } from './stranger.ts';

const { version, scripts, homepage, repository } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly homepage?: string;
  readonly repository?: object;
};
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
const imageName = `barrage-${version}-linux-${architecture}.oci.tar`;
let folder: string;
let told: string;

function run(args: readonly string[], path = ''): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const environment = neutralEnvironment();
  return spawnSync(process.execPath, ['release/main.ts', ...args], {
    encoding: 'utf8',
    env: { ...environment, PATH: [path, environment['PATH']].filter((part) => part !== '').join(delimiter) },
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'barrage-release-'));
  const { status, stdout, stderr } = run(
    ['--dry-run', '--output', folder, '--registry', 'registry.example/live', '--builder', 'urn:test'],
    dirname(await findProgram('helm')),
  );
  expect([status, stderr]).toEqual([0, '']);
  told = stdout;
}, 240_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const fileHash = (name: string): string => hashOf(readFileSync(join(folder, name)));
const inArchive = (name: string, path: string): string => spawnSync('tar', ['-xOf', join(folder, name), path], { encoding: 'utf8' }).stdout;

function imageManifest(): { readonly digest: string; readonly labels: Readonly<Record<string, string>> } {
  const [described] = (JSON.parse(inArchive(imageName, 'index.json')) as { manifests: readonly { readonly digest: string }[] }).manifests;
  const blob = (digest: string): string => inArchive(imageName, digest.replace('sha256:', 'blobs/sha256/'));
  const { config } = JSON.parse(blob(described?.digest ?? '')) as { readonly config: { readonly digest: string } };
  const { Labels: labels } = (JSON.parse(blob(config.digest)) as { readonly config: { readonly Labels: Readonly<Record<string, string>> } })
    .config;
  return { digest: described?.digest ?? '', labels };
}

test('the dry run of these tests is the documented one', () => {
  const [documented] = codeBlocks(readFileSync('docs/releasing.md', 'utf8'));
  expect(documented?.code).toBe('npm run release -- --dry-run');
  expect(scripts['release']).toMatch(/ release\/main\.ts$/);
});

test('a dry run makes every file, and says by which lines they would be published', () => {
  const packages = ['client', 'backend'].filter((name) => scripts[`build:${name}`] !== undefined);
  expect(readdirSync(folder).toSorted()).toEqual(
    [
      imageName,
      `barrage-${version}.tgz`,
      ...packages.map((name) => `barrage-live-${name}-${version}.tgz`),
      'kubectl-barrage',
      `barrage-${version}-source.cdx.json`,
      `barrage-${version}-image.cdx.json`,
      `barrage-${version}.provenance.json`,
      'RELEASE-NOTES.md',
      'SHA256SUMS',
    ].toSorted(),
  );
  expect(told).toContain(
    `skopeo copy --preserve-digests oci-archive:${folder}/${imageName} docker://registry.example/live/barrage:${version}`,
  );
  expect(told).toContain(`helm push ${folder}/barrage-${version}.tgz oci://registry.example/live/charts`);
  for (const name of packages) expect(told).toContain(`npm publish ${folder}/barrage-live-${name}-${version}.tgz`);
});

test('checksums and statement name every file with the digest that it has, and the statement the image’s own', () => {
  const sums = text('SHA256SUMS')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('  '));
  expect(sums.map(([, name = '']) => name).toSorted()).toEqual(
    readdirSync(folder)
      .filter((name) => name !== 'SHA256SUMS')
      .toSorted(),
  );
  for (const [sum, name = ''] of sums) expect(sum, name).toBe(fileHash(name));

  const statement = JSON.parse(text(`barrage-${version}.provenance.json`)) as {
    readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
    readonly predicate: {
      readonly buildDefinition: {
        readonly resolvedDependencies: readonly { readonly uri: string; readonly digest?: Readonly<Record<string, string>> }[];
      };
      readonly runDetails: object;
    };
  };
  expect(statement).toMatchObject({ _type: 'https://in-toto.io/Statement/v1', predicateType: 'https://slsa.dev/provenance/v1' });
  const described = new Map(statement.subject.map(({ name, digest }) => [name, digest.sha256]));
  expect(described.get(`barrage:${version}`)).toBe(imageManifest().digest.replace('sha256:', ''));
  described.delete(`barrage:${version}`);
  expect([...described.keys()].toSorted()).toEqual(
    readdirSync(folder)
      .filter((name) => !['SHA256SUMS', `barrage-${version}.provenance.json`].includes(name))
      .toSorted(),
  );
  for (const [name, sha256] of described) expect(sha256, name).toBe(fileHash(name));
  const { buildDefinition, runDetails } = statement.predicate;
  expect(runDetails).toEqual({ builder: { id: 'urn:test' } });
  const commit = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).stdout.trim();
  const materials = new Map(buildDefinition.resolvedDependencies.map(({ uri, digest }) => [uri, digest]));
  expect([...materials.values()][0]).toEqual({ gitCommit: commit });
  expect(materials.get('package-lock.json')).toEqual({ sha256: hashOf(readFileSync('package-lock.json')) });
});

test('the version of package.json is that of chart, packages, image, command line and SDK', () => {
  expect(parse(readFileSync('charts/barrage/Chart.yaml', 'utf8'))).toMatchObject({ version, appVersion: version });
  expect(parse(inArchive(`barrage-${version}.tgz`, 'barrage/Chart.yaml'))).toMatchObject({ version, appVersion: version });
  expect(imageManifest().labels['org.opencontainers.image.version']).toBe(version);
  expect(sdkVersion).toBe(version);
  for (const name of readdirSync(folder).filter((each) => each.startsWith('barrage-live-')))
    expect(JSON.parse(inArchive(name, 'package/package.json'))).toMatchObject({ version, license: 'Apache-2.0' });
  const { stdout } = spawnSync(process.execPath, [join(folder, 'kubectl-barrage'), '--version'], { encoding: 'utf8' });
  expect(stdout).toBe(`${version}\n`);
});

test('the address of the source is in the image, or said to be left out', () => {
  const hasAddress = (homepage ?? repository) !== undefined;
  expect('org.opencontainers.image.source' in imageManifest().labels).toBe(hasAddress);
  expect(told.includes('left out: the address of the source, in image, packages and provenance: package.json has no')).toBe(!hasAddress);
});

test('the chart runs the image of this release by its digest, and keeps its comments', () => {
  const values = inArchive(`barrage-${version}.tgz`, 'barrage/values.yaml');
  expect(parse(values)).toMatchObject({ image: { digest: imageManifest().digest } });
  expect(values).toContain('# README.md explains each value.');
});

test('the bills of materials are CycloneDX, and that of the image has what is in the image', () => {
  interface Bom {
    readonly bomFormat: string;
    readonly components: readonly { readonly name: string; readonly version: string; readonly purl: string }[];
  }
  const [source, image] = ['source', 'image'].map((part) => JSON.parse(text(`barrage-${version}-${part}.cdx.json`)) as Bom);
  const names = (bom: Bom | undefined): readonly string[] => bom?.components.map(({ name }) => name) ?? [];
  expect([source?.bomFormat, image?.bomFormat]).toEqual(['CycloneDX', 'CycloneDX']);
  expect(names(source)).toEqual(expect.arrayContaining(['ws', 'zod', 'ioredis']));
  expect(names(source)).not.toContain('vitest');
  expect(names(image)).toEqual(expect.arrayContaining(['node', 'ws', 'zod', 'danmaku']));
  expect(image?.components.find(({ name }) => name === 'node')?.purl).toMatch(/^pkg:npm\/node@26\./);
});

test('the notes are the changelog’s', () => {
  const notes = text('RELEASE-NOTES.md');
  expect(notes).toMatch(new RegExp(`^# Barrage ${version}\\n`));
  expect(notes).toContain(imageManifest().digest);
  expect(notes).toMatch(/^### Added$/m);
});

test('a stranger with three files of the release and docs/quickstart.md sees a message in a browser, in less than two minutes of machine time', async () => {
  const begin = { cpu: cpuSeconds(), wall: performance.now() };
  const machine = await mkdtemp(join(tmpdir(), 'barrage-stranger-'));
  onTestFinished(() => rm(machine, { recursive: true, force: true }));
  const home = join(machine, 'home');
  await mkdir(home);
  const { files, commands } = instructionsOf(readFileSync('docs/quickstart.md', 'utf8'));
  expect([...files].map(([name, code]) => [name, code.split('\n').length - 1])).toEqual([
    ['backend.mjs', 10],
    ['page.html', 10],
    ['watch.mjs', 4],
  ]);
  const [load, start, install, backend, watch] = commands;
  if (load === undefined || start === undefined || install === undefined || backend === undefined || watch === undefined)
    throw new Error('docs/quickstart.md has not the five commands any more');

  // In place of Docker: its layers, its user, its variables, and nothing else of this machine's files.
  expect(load.args.slice(0, -1)).toEqual(['docker', 'load', '-i']);
  const image = await UnpackedImage.load(join(folder, load.args.at(-1) ?? ''), machine);
  const container = containerOf(start);
  expect(image.names).toContain(container.image);
  const server = image.start(container.args, { ...container.variables, BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0' });
  const [gatewayPort, publisherPort, key = ''] = await server.says(/ws:\S+:(\d+)[^]*publish .*:(\d+)[^]*API key {4}(\S+)[^]*Ctrl-C/);

  const ownPort = `${await freePort()}`;
  const ports = [
    ['localhost:6789', `127.0.0.1:${publisherPort}`],
    ['listen(8080)', `listen(${ownPort})`],
  ] as const;
  const { 'page.html': page = '', ...programs } = Object.fromEntries(files);
  await type(new Map([['page.html', page]]), home, new Map());
  await type(new Map(Object.entries(programs)), home, new Map([...ports, ['localhost:6790', `127.0.0.1:${gatewayPort}`]]));
  expect(install.args.slice(0, 2)).toEqual(['npm', 'install']);
  await download(folder, install.args.slice(2), home);
  const env = { ...neutralEnvironment(), npm_config_offline: 'true' };
  const installed = spawnSync('npm', install.args.slice(1), { cwd: home, env, encoding: 'utf8' });
  expect([installed.status, installed.stdout]).toEqual([0, expect.stringContaining('added 2 packages')]);

  const programOf = ({ args: [program, ...args], variables }: typeof backend): Program => {
    expect(program).toBe('node');
    const given = Object.entries(variables).map(([name, value]) => [name, value === 'KEY' ? key : value] as const);
    return new Program(process.execPath, args, { cwd: home, env: { ...env, ...Object.fromEntries(given) } });
  };
  const running = [programOf(backend), programOf(watch)];
  // The page stays as it is written: the browser finds the documented ports elsewhere.
  const rules = [`MAP localhost:6790 127.0.0.1:${gatewayPort}`, `MAP localhost:8080 127.0.0.1:${ownPort}`];
  const browser = await launchChromium([`--host-resolver-rules=${rules.join(',')}`]);
  onTestFinished(() => browser.close());
  const tab = await browser.newPage();
  await expect.poll(() => tab.goto('http://localhost:8080/').then((answer) => answer?.status(), String)).toBe(200);
  // A press before the page has subscribed is for nobody.
  await expect
    .poll(async () => {
      await tab.getByRole('button', { name: 'Say hello' }).click();
      return tab.locator('li').allTextContents();
    })
    .toContain('Hello, 弹幕!');
  await running[1]?.says(/^Hello, 弹幕!$/m);

  const [cpu, wall] = [cpuSeconds() - begin.cpu, (performance.now() - begin.wall) / 1000];
  console.log(`a stranger's way to the first message: ${cpu.toFixed(1)} s of CPU, ${wall.toFixed(1)} s in all`);
  expect(cpu).toBeLessThan(120);
  await browser.close();
  for (const program of [...running, server]) await program.interrupt();
}, 240_000);

test('without --dry-run a commit without its tag is refused, with what to do', () => {
  const { status, stdout, stderr } = run(['--output', join(folder, 'none')]);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toContain(`this commit has no tag v${version}`);
});
