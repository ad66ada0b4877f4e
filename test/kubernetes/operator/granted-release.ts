import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { createLogger } from '../../../core/process/logging.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { Operator } from '../../../operator/operator.ts';
import type { Cluster } from '../../support/cluster.ts';
import { chart, helm, helmDone, valueFlags } from '../chart/helm.ts';
import { freePort } from '../../support/free-port.ts';

export interface Watching {
  readonly operator: Operator;
  readonly ready: () => Promise<string>;
  readonly metric: (sample: string) => Promise<string | undefined>;
}

/**
 * The chart without its definitions, installed for some namespaces, and operators in this process that have its rights
 * and no others. All of it ends with the test.
 */
export class GrantedRelease {
  readonly #cluster: Cluster;
  readonly #home: string;
  readonly #namespaces: readonly string[];
  #kubeconfig = '';

  static async install(cluster: Cluster, home: string, namespaces: readonly string[], values: object = {}): Promise<GrantedRelease> {
    const release = new GrantedRelease(cluster, home, namespaces);
    onTestFinished(() => release.uninstall());
    await release.apply('install', values);
    release.#kubeconfig = await release.#grant();
    return release;
  }

  private constructor(cluster: Cluster, home: string, namespaces: readonly string[]) {
    this.#cluster = cluster;
    this.#home = home;
    this.#namespaces = namespaces;
  }

  /** @returns what helm prints @throws Error with what helm says where it fails */
  async apply(command: 'install' | 'upgrade', values: object = {}): Promise<string> {
    const all = { watchNamespaces: this.#namespaces, crds: { enabled: false }, rbac: { aggregate: false }, ...values };
    const flags = ['--namespace', this.#home, ...valueFlags(all)];
    return helmDone([command, 'barrage', chart, ...flags], this.#cluster.kubeconfig);
  }

  async uninstall(): Promise<void> {
    await helm(['uninstall', 'barrage', '--namespace', this.#home], this.#cluster.kubeconfig);
  }

  /** A kubeconfig of who has the release's rights. */
  async #grant(): Promise<string> {
    const token = (await this.#cluster.kubectl(['-n', this.#home, 'create', 'token', 'barrage-operator'])).trim();
    const folder = mkdtempSync(join(tmpdir(), 'barrage-rights-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const config = parse(readFileSync(this.#cluster.kubeconfig, 'utf8')) as { readonly users: readonly { readonly name: string }[] };
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify({ ...config, users: config.users.map(({ name }) => ({ name, user: { token } })) }));
    return kubeconfig;
  }

  /** @param variables settings besides those of the release */
  async startOperator(variables: Readonly<Record<string, string>> = {}): Promise<Watching> {
    const [probes, metrics] = [await freePort(), await freePort()];
    const read = readSettings({
      BARRAGE_OPERATOR_NAMESPACE: this.#home,
      BARRAGE_OPERATOR_WATCH_NAMESPACES: this.#namespaces.join(','),
      // The only Lease that the chart's rights name.
      BARRAGE_OPERATOR_LEASE: 'barrage-operator',
      BARRAGE_OPERATOR_IMAGE: 'barrage:test',
      BARRAGE_OPERATOR_HOST: '127.0.0.1',
      BARRAGE_OPERATOR_PROBE_PORT: String(probes),
      BARRAGE_OPERATOR_METRICS_PORT: String(metrics),
      BARRAGE_LOG_LEVEL: process.env['BARRAGE_TEST_LOG_LEVEL'] ?? 'silent',
      ...variables,
    });
    if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
    const operator = await Operator.start({
      settings: read.settings,
      logger: createLogger({ part: 'operator', level: read.settings.logLevel }),
      source: { kubeconfig: this.#kubeconfig },
      onLost: (reason) => {
        throw new Error(`the operator lost its lead: ${reason}`);
      },
    });
    onTestFinished(() => operator.close());
    const ask = async (port: number, path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    return {
      operator,
      ready: () => ask(probes, '/readyz'),
      metric: async (sample) =>
        (await ask(metrics, '/metrics'))
          .split('\n')
          .find((line) => line.startsWith(`${sample} `))
          ?.slice(sample.length + 1),
    };
  }
}
