import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where the test cluster's scripts are, and where what they build is kept. */
export const scripts = join(import.meta.dirname);
export const builtFolder = join(import.meta.dirname, '../../.cache/cluster');

export const controlPlanePrograms = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const;
export const nodePrograms = [...controlPlanePrograms, 'kubelet', 'kube-proxy', 'coredns', 'pause'] as const;

const progressEveryMs = 30_000;

/**
 * Where a program of the cluster (also `helm` and `kwok`) is: in `KUBEBUILDER_ASSETS`, among the built ones, or on the
 * PATH. Builds it where it is nowhere.
 * @throws Error with the end of the build's log
 */
export async function findProgram(name: string): Promise<string> {
  const folders = [process.env['KUBEBUILDER_ASSETS'] ?? '', join(builtFolder, 'bin'), ...(process.env['PATH'] ?? '').split(delimiter)];
  const find = (): string | undefined => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (find() === undefined) await buildPrograms([name]);
  const path = find();
  if (path === undefined) throw new Error(`${name} was built, and yet is nowhere`);
  return path;
}

/**
 * Sees to it that the cluster's scripts find these programs. The first build takes minutes, and says so on standard
 * error.
 * @throws Error with the end of the build's log
 */
export async function buildPrograms(programs: readonly string[]): Promise<void> {
  mkdirSync(builtFolder, { recursive: true });
  const log = join(builtFolder, 'build.log');
  const child = spawn('bash', [join(scripts, 'build.sh'), ...programs], { stdio: ['ignore', 'pipe', 'pipe'] });
  // A log of a build stays until there is something to say about the next.
  let said = '';
  const note = (chunk: Buffer): void => writeFileSync(log, (said += chunk.toString()));
  child.stdout.on('data', note);
  child.stderr.on('data', note);
  const startedAt = performance.now();
  const progress = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    process.stderr.write(`building Kubernetes from Go modules for ${seconds} s (once; some 6 minutes on two cores; log: ${log})\n`);
  }, progressEveryMs);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearInterval(progress));
  if (status !== 0) throw new Error(`the test cluster's programs can't be built:\n${said.slice(-2000)}`);
}
