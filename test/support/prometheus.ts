import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './free-port.ts';

/** What Prometheus scrapes: `GET /metrics` of a process. */
export interface ScrapeTarget {
  readonly job: string;
  /** `127.0.0.1:9090`. */
  readonly address: string;
  /** Labels of the target, as the chart's monitors set them: `namespace`, `pool`, `pod`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Whether a label of the process wins over the target's label of the same name. Absent: it does not. */
  readonly honorLabels?: boolean;
  /** Relabelings of the target, in Prometheus' own spelling: `source_labels`. Those of a job's first target count. */
  readonly relabelings?: readonly object[] | undefined;
}

export interface PrometheusOptions {
  readonly targets: readonly ScrapeTarget[];
  /** More jobs, as `scrape_configs` has them. */
  readonly scrapeConfigs?: readonly object[];
  /** Rule files, as texts in YAML. */
  readonly rules?: readonly string[];
  /** Seconds between two scrapes, and between two evaluations of the rules; 1 by default. */
  readonly intervalSeconds?: number;
}

/** One series of an instant query's answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface FiredAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
  /** Since when its expression holds, in RFC 3339. */
  readonly activeAt: string;
}

const startWithinMs = 20_000;

/** A real Prometheus with its data in a temporary folder. `stop` it in any case; it is killed with the test process. */
export class Prometheus {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #options: PrometheusOptions;
  readonly #killAtExit = (): void => void this.#child.kill('SIGKILL');

  private constructor(folder: string, port: number, options: PrometheusOptions) {
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#options = options;
    const settings = {
      'config.file': join(folder, 'prometheus.yaml'),
      'storage.tsdb.path': join(folder, 'data'),
      'web.listen-address': `127.0.0.1:${port}`,
      'log.level': 'warn',
      'enable-feature': 'exemplar-storage',
    };
    const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    this.#child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.on('error', () => {});
    process.on('exit', this.#killAtExit);
  }

  /** @throws Error with the end of its log, where it does not start */
  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'barrage-prometheus-'));
    await writeConfiguration(folder, options);
    const prometheus = new Prometheus(folder, await freePort(), options);
    try {
      await prometheus.#started();
      return prometheus;
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
  }

  /**
   * Evaluates a query now, or at a moment.
   * @param at Unix time in milliseconds
   * @throws Error with what Prometheus says of the query
   */
  async query(expression: string, at?: number): Promise<readonly Sample[]> {
    const time: Record<string, string> = at === undefined ? {} : { time: String(at / 1000) };
    const data = await this.#ask<QueryData>('query', { query: expression, ...time });
    if (data.resultType === 'scalar') return [{ labels: {}, value: Number(data.result[1]) }];
    return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** Values of a label among the series that a selector matches. */
  async labelValues(label: string, selector: string): Promise<readonly string[]> {
    return this.#ask<readonly string[]>(`label/${label}/values`, { 'match[]': selector });
  }

  /** Trace ids of the exemplars among the series that a selector matches. */
  async exemplars(selector: string): Promise<readonly string[]> {
    const now = Date.now() / 1000;
    const found = await this.#ask<readonly SeriesExemplars[]>('query_exemplars', {
      query: selector,
      start: String(now - 3600),
      end: String(now + 60),
    });
    return found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['trace_id'] ?? ''));
  }

  /** Alerts that are pending or firing. */
  async alerts(): Promise<readonly FiredAlert[]> {
    return (await this.#ask<{ readonly alerts: readonly FiredAlert[] }>('alerts', {})).alerts;
  }

  /** Faults of scraping, in words; empty where every target was scraped once and well. */
  async scrapeFaults(): Promise<readonly string[]> {
    const { activeTargets } = await this.#ask<{ readonly activeTargets: readonly ActiveTarget[] }>('targets', { state: 'active' });
    return activeTargets.flatMap(({ scrapeUrl, health, lastError }) => (health === 'up' ? [] : [`${scrapeUrl}: ${health} ${lastError}`]));
  }

  /** Scrapes other targets from now on. */
  async retarget(targets: readonly ScrapeTarget[]): Promise<void> {
    await writeConfiguration(this.#folder, { ...this.#options, targets });
    this.#child.kill('SIGHUP');
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killAtExit);
    if (this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #started(): Promise<void> {
    let log = '';
    this.#child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
    const startedAt = Date.now();
    while (Date.now() - startedAt < startWithinMs && this.#child.pid !== undefined && this.#child.exitCode === null) {
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (answer?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (this.#child.pid === undefined) throw new Error('these tests need prometheus; npm test installs it, or says how');
    throw new Error(`prometheus did not start:\n${log}`);
  }

  async #ask<Data>(path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const answer = (await response.json()) as { readonly data?: Data; readonly error?: string };
    if (answer.data === undefined) throw new Error(`${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }
}

type QueryData =
  | { readonly resultType: 'scalar'; readonly result: readonly [number, string] }
  | {
      readonly resultType: 'vector';
      readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }[];
    };

interface SeriesExemplars {
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

interface ActiveTarget {
  readonly scrapeUrl: string;
  readonly health: string;
  readonly lastError: string;
}

async function writeConfiguration(
  folder: string,
  { targets, scrapeConfigs = [], rules = [], intervalSeconds = 1 }: PrometheusOptions,
): Promise<void> {
  const interval = `${intervalSeconds * 1000}ms`;
  const jobs = Map.groupBy(targets, ({ job }) => job);
  const files = rules.map((text, index) => ({ path: join(folder, `rules-${index}.yaml`), text }));
  for (const { path, text } of files) await writeFile(path, text);
  await writeFile(
    join(folder, 'prometheus.yaml'),
    stringify({
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: files.map(({ path }) => path),
      scrape_configs: [
        ...[...jobs].map(([job, ofJob]) => ({
          job_name: job,
          honor_labels: ofJob.some(({ honorLabels }) => honorLabels === true),
          relabel_configs: ofJob[0]?.relabelings ?? [],
          static_configs: ofJob.map(({ address, labels = {} }) => ({ targets: [address], labels })),
        })),
        ...scrapeConfigs,
      ],
    }),
  );
}
