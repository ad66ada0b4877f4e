import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createLogger } from '../../core/process/logging.ts';
import { readSettings } from '../../core/process/settings.ts';
import { startStandalone, type Standalone } from '../../standalone/standalone.ts';
import { scrape, type Sample } from './exposition.ts';
import { TestClient, V1Client } from './websocket.ts';

/** What the publish API answered. */
export interface PublishAnswer {
  readonly E: { readonly c: number; readonly m: string } | null;
  readonly r?: {
    readonly s: number;
    readonly f: number;
    readonly offset: number;
    readonly epoch: string;
    readonly dropped?: Readonly<Record<string, number>>;
    readonly pending?: number;
  };
}

/**
 * Starts the all-in-one process inside the test's own, on ports that are free, without a log and without a drain. For
 * whoever closes it; `TestStandalone` ends with its test.
 */
export async function startForTest(variables: Readonly<Record<string, string>> = {}): Promise<Standalone> {
  const read = readSettings({
    BARRAGE_GATEWAY_PORT: '0',
    BARRAGE_PUBLISHER_PORT: '0',
    BARRAGE_DRAIN_MS: '0',
    BARRAGE_LOG_LEVEL: 'silent',
    ...variables,
  });
  if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
  return startStandalone(read.settings, createLogger({ part: 'test', level: read.settings.logLevel }));
}

/** Asks a publisher of this machine, as a backend without a key does. */
export async function askPublisher(port: number, path: string, body: object): Promise<PublishAnswer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as PublishAnswer;
}

/** The all-in-one process inside the test's own: real ports, real sockets. Ends with the test. */
export class TestStandalone {
  readonly #running: Standalone;

  private constructor(running: Standalone) {
    this.#running = running;
  }

  /** @param variables settings besides free ports and no logs */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<TestStandalone> {
    const running = await startForTest(variables);
    onTestFinished(() => running.close());
    return new TestStandalone(running);
  }

  /** Started with a policy file that holds this YAML. */
  static async withPolicies(yaml: string, variables: Readonly<Record<string, string>> = {}): Promise<TestStandalone> {
    return TestStandalone.start({ ...variables, BARRAGE_POLICY_FILE: await policyFile(yaml) });
  }

  get gateway(): Standalone['gateway'] {
    return this.#running.gateway;
  }

  get port(): number {
    return this.#running.gatewayPort;
  }

  get publisherPort(): number {
    return this.#running.publisherPort;
  }

  get adminPort(): number {
    return this.#running.adminPort;
  }

  async plain(): Promise<TestClient> {
    return this.#leaving(await TestClient.open(this.port));
  }

  async v1(): Promise<V1Client> {
    return this.#leaving(await V1Client.open(this.port));
  }

  post(path: string, body: object): Promise<PublishAnswer> {
    return askPublisher(this.publisherPort, path, body);
  }

  /** Publishes, and expects that it is taken. @param more other fields of the publish API */
  async publish(channel: string, data: string, more: object = {}): Promise<NonNullable<PublishAnswer['r']>> {
    const { E, r } = await this.post('/v1/mesh/publish', { c: channel, d: data, ...more });
    if (r === undefined) throw new Error(`not published: ${E?.m}`);
    return r;
  }

  /**
   * The sum of the samples of `/metrics` with this name and label; 0 where there is none.
   * @param label `name="value"`; empty: any labels
   */
  async metric(name: string, label: string = ''): Promise<number> {
    const { samples } = await scrape(this.port);
    const found = samples.filter((sample) => sample.name === name && (label === '' || labelTexts(sample).includes(label)));
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  #leaving<C extends TestClient>(client: C): C {
    onTestFinished(() => client.socket.terminate());
    return client;
  }
}

function labelTexts({ labels }: Sample): readonly string[] {
  return Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
}

/** A file with this text, for as long as the test lasts. */
export async function policyFile(yaml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barrage-policies-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'policies.yaml');
  await writeFile(path, yaml);
  return path;
}
