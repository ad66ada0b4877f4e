import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { builtFolder, findProgram } from '../../cluster/programs.ts';

export const chart = 'charts/barrage';

/** An object as the chart writes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly rules?: readonly Rule[];
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface HelmAnswer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs helm, with nothing of the user's own: no configuration, repositories or plugins.
 * @param kubeconfig of the cluster to work on; where it is absent there is none
 */
export async function helm(args: readonly string[], kubeconfig = '/dev/null'): Promise<HelmAnswer> {
  const home = join(builtFolder, 'helm');
  mkdirSync(home, { recursive: true });
  const child = spawn(await findProgram('helm'), [...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      HELM_CACHE_HOME: home,
      HELM_CONFIG_HOME: home,
      HELM_DATA_HOME: home,
      KUBECONFIG: kubeconfig,
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}

/** Runs helm and returns what it prints. @throws Error with what it says where it fails */
export async function helmDone(args: readonly string[], kubeconfig?: string): Promise<string> {
  const { status, stdout, stderr } = await helm(args, kubeconfig);
  if (status !== 0) throw new Error(`helm ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Helm's flags for values. */
export function valueFlags(values: object): readonly string[] {
  return Object.entries(values).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`]);
}

/** What the release `barrage` in the namespace `system` is made of. @throws Error with what helm says */
export async function rendered(values: object = {}, release = 'barrage'): Promise<readonly Manifest[]> {
  return manifests(await helmDone(['template', release, chart, '--namespace', 'system', ...valueFlags(values)]));
}

export function manifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`${document.errors.map(String).join('; ')} in\n${text}`);
    const manifest = document.toJS() as Manifest | null;
    return manifest === null ? [] : [manifest];
  });
}

/** The one object of a kind (and name). @throws Error where there is none, or more than one */
export function only(objects: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = objects.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} objects of kind ${kind} ${name ?? ''}`);
  return first;
}
