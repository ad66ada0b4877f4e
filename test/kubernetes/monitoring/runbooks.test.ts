import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findProgram } from '../../cluster/programs.ts';
import { applyDefinitions } from '../../pods/operated-pool.ts';
import { Certificates } from '../../support/certificates.ts';
import { clusterTimeoutMs, sharedApiServer } from '../../support/cluster.ts';
import { runbookFolder } from '../../../monitoring/alerts/rules.ts';

/** Every kubectl command of the runbooks, each once, without what it is piped into. */
function commandsInRunbooks(): readonly string[] {
  const texts = readdirSync(runbookFolder).map((file) => readFileSync(`${runbookFolder}/${file}`, 'utf8'));
  const inBlocks = texts.flatMap((text) => [...text.matchAll(/^ *(kubectl .*)$/gm)]);
  const inWords = texts.flatMap((text) => [...text.matchAll(/`(kubectl [^`\n]*)`/g)]);
  const commands = [...inBlocks, ...inWords].map(([, command = '']) => command.replace(/ +[#|&] .*$/, '').trim());
  return [...new Set(commands)];
}

/** These need a running pod, a terminal, the plugin, or cert-manager. */
const needsMore = /\b(?:logs POD|port-forward|edit|kubectl barrage|describe certificate)\b/;

/** The folder of somebody who has a new certificate there. */
async function folderWithCertificate(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-runbooks-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const certificates = await Certificates.make();
  onTestFinished(() => certificates.dispose());
  await copyFile(certificates.certificateFile, join(folder, 'tls.crt'));
  await copyFile(certificates.keyFile, join(folder, 'tls.key'));
  return folder;
}

test(
  'the API server takes the kubectl commands of the runbooks',
  async () => {
    const cluster = await sharedApiServer();
    await applyDefinitions(cluster);
    const namespace = await cluster.createNamespace('runbooks');
    const selector = { matchLabels: { app: 'none' } };
    const template = { metadata: { labels: selector.matchLabels }, spec: { containers: [{ name: 'none', image: 'none' }] } };
    const deployment = (name: string): object => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { replicas: 0, selector, template },
    });
    const connections = { minReplicas: 1, maxReplicas: 3, targetConnectionsPerPod: 1000 };
    const items = [
      {
        apiVersion: 'barrage.dev/v1alpha1',
        kind: 'GatewayPool',
        metadata: { name: 'web' },
        spec: {
          bus: { type: 'Redis', redis: { mode: 'Standalone', addresses: ['redis:6379'] } },
          scaling: { type: 'Connections', connections },
        },
      },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1' }, spec: template.spec },
      deployment('barrage-operator'),
      deployment('web-publisher'),
    ];
    await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

    const names: Readonly<Record<string, string>> = { NAMESPACE: namespace, POOL: 'web', POD: 'web-1', 'barrage-system': namespace };
    const commands = commandsInRunbooks().filter((command) => !needsMore.test(command));
    expect(commands.length).toBeGreaterThan(25);
    const isDeletion = (command: string): number => (command.includes(' delete ') ? 1 : 0);
    const env = { ...process.env, PATH: `${dirname(await findProgram('kubectl'))}:${process.env['PATH']}`, KUBECONFIG: cluster.kubeconfig };
    const folder = await folderWithCertificate();
    const run = (command: string): Promise<string | undefined> =>
      new Promise((resolve) => {
        const filled = command.replaceAll(/\b(?:NAMESPACE|POOL|POD|barrage-system)\b/g, (name) => names[name] ?? name);
        execFile('sh', ['-c', filled], { env, cwd: folder }, (error, _, stderr) =>
          resolve(error === null ? undefined : `${command}: ${stderr}`),
        );
      });
    const faults: string[] = [];
    for (const command of commands.toSorted((a, b) => isDeletion(a) - isDeletion(b))) {
      const fault = await run(command);
      // One pod is there, and two commands delete it.
      if (fault !== undefined && !(isDeletion(command) === 1 && fault.includes('NotFound'))) faults.push(fault);
    }
    expect(faults).toEqual([]);
    const pool = await cluster.kubectl([
      '-n',
      namespace,
      'get',
      'gatewaypool',
      'web',
      '-o',
      'jsonpath={.spec.replicas} {.spec.scaling.connections.maxReplicas}',
    ]);
    expect(pool).toBe('6 20');
    await cluster.kubectl(['delete', 'namespace', namespace, '--wait=false']);
  },
  clusterTimeoutMs,
);
