import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findProgram } from '../../cluster/programs.ts';
import { commandsOf } from '../../docs/runners.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { Certificates } from '../../support/certificates.ts';
import { clusterTimeoutMs, sharedApiServer, type Cluster } from '../../support/cluster.ts';
import { neutralEnvironment } from '../../support/environment.ts';

/** Without remarks. Of lines that ask for one condition or another the first is enough. */
const commands = commandsOf('test/kubernetes/docs/commands.test.ts')
  .map(({ place, line }) => ({ place, line: line.replace(/ +#.*$/, '') }))
  .filter(({ line }, index, all) => all.findIndex((each) => shapeOf(each.line) === shapeOf(line)) === index);

function shapeOf(line: string): string {
  return line.replace(/@\.type=="\w+"/, '@.type==').replace(' -o wide', '');
}

let cluster: Cluster;
let namespace: string;
let programs = '';

/** A program before the others on the PATH. */
function program(name: string, script: string): void {
  const path = join(programs, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

beforeAll(async () => {
  cluster = await sharedApiServer();
  await applyDefinitions(cluster);
  namespace = await cluster.createNamespace('documented');
  const spec = {
    bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } },
    scaling: { type: 'Connections', connections: { targetConnectionsPerPod: 1000, minReplicas: 1, maxReplicas: 4 } },
  };
  const pool = { apiVersion: 'barrage.dev/v1alpha1', kind: 'GatewayPool', metadata: { name: 'live' }, spec };
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify(pool));
  programs = mkdtempSync(join(tmpdir(), 'barrage-documented-'));
  for (const name of ['kubectl', 'helm']) symlinkSync(await findProgram(name), join(programs, name));
  const certificates = await Certificates.make();
  cpSync(certificates.certificateFile, join(programs, 'tls.crt'));
  cpSync(certificates.keyFile, join(programs, 'tls.key'));
  await certificates.dispose();
  // It knows by the name of its file that it is kubectl's plugin.
  symlinkSync(resolve('cli/main.ts'), join(programs, 'kubectl-plugin.ts'));
  program('kubectl-barrage', `exec ${process.execPath} ${join(programs, 'kubectl-plugin.ts')} "$@"`);
}, clusterTimeoutMs);

afterAll(() => {
  if (programs !== '') rmSync(programs, { recursive: true });
});

/** What programs say of a command line that they do not understand. */
const misunderstood =
  /unknown (?:flag|command|shorthand|option)|flag needs an argument|invalid (?:argument|option)|usage:|error: (?:unable to match a printer|error parsing)|resource type "|no such option/i;

/** Commands that need a node, or what only a node or an operator makes: they must be understood, and may fail. */
const needsMore =
  /^kubectl (?:-n \S+ )?(?:logs|port-forward|barrage|wait|describe pod)|^helm |^docker |curl |--previous|^KEY=|live-api-key|rollout/;

test('the commands for a cluster are understood, and answered where an API server is enough', { timeout: 240_000 }, async () => {
  expect(commands.length).toBeGreaterThan(40);
  const env = { ...neutralEnvironment(), KUBECONFIG: cluster.kubeconfig, PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}` };
  const ofKubectl = commands.filter(({ line }) => line.startsWith('kubectl ') && !line.includes(' --all --all-namespaces'));
  expect(ofKubectl.length).toBeGreaterThan(40);
  for (const { place, line } of ofKubectl) {
    const [first = ''] = line.split(/ [|&](?: |$)/);
    const named = first
      .replaceAll('NAMESPACE', namespace)
      .replaceAll('POOL', 'live')
      .replaceAll(/\bNAME\b/g, 'live-tls')
      .replaceAll(/\bPOD\b/g, 'live-0')
      .replace(/ namespace (?:barrage-system|monitoring) /, ` namespace ${namespace} `)
      .replace('--timeout=180s', '--timeout=1s');
    const here = /^kubectl (?:-n|barrage|label namespace|get nodes|get --raw)|--all-namespaces/.test(named)
      ? named
      : named.replace('kubectl ', `kubectl -n ${namespace} `);
    const { code, said } = await new Promise<{ readonly code: number; readonly said: string }>((done) => {
      execFile('sh', ['-c', here], { env, cwd: programs, timeout: 60_000 }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : 1, said: `${stdout}${stderr}` }),
      );
    });
    expect([place, line, misunderstood.exec(said)?.[0]]).toEqual([place, line, undefined]);
    if (!needsMore.test(here)) expect([place, line, code, code === 0 ? '' : said]).toEqual([place, line, 0, '']);
  }
});

test('the values that helm is given on our pages are values of the chart', () => {
  const lines = commands.map(({ line }) => line).filter((line) => line.startsWith('helm '));
  expect(lines.length).toBeGreaterThan(4);
  const table = readFileSync('charts/barrage/README.md', 'utf8');
  const names = lines.flatMap((line) => [...line.matchAll(/--set ([\w.]+)=/g)].map(([, name = '']) => name));
  const known = (name: string): boolean =>
    name.split('.').some((_, index, parts) => table.includes(`\`${parts.slice(0, index + 1).join('.')}`));
  expect(names.filter((name) => !known(name))).toEqual([]);
});
