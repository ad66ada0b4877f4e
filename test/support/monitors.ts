import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';

/** A ServiceMonitor or PodMonitor of prometheus-operator, as far as the chart writes one. */
export interface Monitor {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
}

interface MonitorSpec {
  readonly selector: {
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
  };
  readonly namespaceSelector?: { readonly any?: boolean; readonly matchNames?: readonly string[] };
  readonly endpoints?: readonly Endpoint[];
  readonly podMetricsEndpoints?: readonly Endpoint[];
}

interface Endpoint {
  readonly port: string;
  readonly path?: string;
  readonly honorLabels?: boolean;
  readonly relabelings?: readonly Relabeling[];
}

interface Relabeling {
  readonly sourceLabels?: readonly string[];
  readonly targetLabel?: string;
  readonly regex?: string;
  readonly replacement?: string;
  readonly action?: string;
}

/**
 * The scrape configurations of a monitor, as prometheus-operator writes them: the monitor's selectors, and its
 * relabelings.
 * @param discovery where the targets stand
 * @param interval between two scrapes, as Prometheus writes durations
 * @throws Error for another kind, and for a selector that this reading does not know
 */
export function scrapeConfigsOf(monitor: Monitor, discovery: Discovery, interval: string): readonly object[] {
  const { selector, namespaceSelector, endpoints, podMetricsEndpoints } = monitor.spec as unknown as MonitorSpec;
  const isOfPods = monitor.kind === 'PodMonitor';
  const own = isOfPods ? podMetricsEndpoints : endpoints;
  if (own === undefined) throw new Error(`${monitor.kind} ${monitor.metadata.name} has no endpoint`);
  const names = namespaceSelector?.any === true ? undefined : (namespaceSelector?.matchNames ?? [monitor.metadata.namespace]);
  const meta = isOfPods ? '__meta_kubernetes_pod' : '__meta_kubernetes_service';
  const portName = isOfPods ? '__meta_kubernetes_pod_container_port_name' : '__meta_kubernetes_endpointslice_port_name';
  const copied = isOfPods
    ? { namespace: 'namespace', pod: 'pod_name' }
    : { namespace: 'namespace', service: 'service_name', pod: 'pod_name' };
  return own.map(({ port, path = '/metrics', honorLabels = false, relabelings = [] }) => ({
    job_name: `${monitor.kind}/${monitor.metadata.namespace}/${monitor.metadata.name}/${port}`,
    honor_labels: honorLabels,
    metrics_path: path,
    scrape_interval: interval,
    scrape_timeout: interval,
    file_sd_configs: [{ files: [isOfPods ? discovery.podsFile : discovery.servicesFile], refresh_interval: '1s' }],
    relabel_configs: [
      ...(names === undefined ? [] : [{ source_labels: ['__meta_kubernetes_namespace'], regex: names.join('|'), action: 'keep' }]),
      ...selectorRelabelings(selector, meta),
      { source_labels: [portName], regex: port, action: 'keep' },
      ...Object.entries(copied).map(([target, source]) => ({ source_labels: [`__meta_kubernetes_${source}`], target_label: target })),
      ...relabelings.map(({ sourceLabels, targetLabel, ...rest }) => ({
        ...rest,
        ...(sourceLabels === undefined ? {} : { source_labels: sourceLabels }),
        ...(targetLabel === undefined ? {} : { target_label: targetLabel }),
      })),
    ],
  }));
}

function selectorRelabelings({ matchLabels = {}, matchExpressions = [] }: MonitorSpec['selector'], meta: string): readonly object[] {
  const wanted = [...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In', values: [value] })), ...matchExpressions];
  return wanted.map(({ key, operator, values = [] }) => {
    const label = labelName(key);
    const [value, isThere] = [`${meta}_label_${label}`, `${meta}_labelpresent_${label}`];
    if (operator === 'In') return { source_labels: [value, isThere], regex: `(${values.join('|')});true`, action: 'keep' };
    if (operator === 'Exists') return { source_labels: [isThere], regex: 'true', action: 'keep' };
    throw new Error(`the operator ${operator} of a selector is not known here`);
  });
}

type Labels = Readonly<Record<string, string>>;

interface Listed {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Labels };
}

interface Pod extends Listed {
  readonly spec: {
    readonly containers: readonly { readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[] }[];
  };
  readonly status: { readonly podIP?: string };
}

interface Slice extends Listed {
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly targetRef?: { readonly name: string } }[];
}

interface Target {
  readonly targets: readonly [string];
  readonly labels: Labels;
}

/**
 * Tells a Prometheus the targets of a cluster, with the labels of `kubernetes_sd_configs`, by files that are written
 * every second until `stop`: Debian's Prometheus is built without that discovery.
 */
export class Discovery {
  readonly podsFile: string;
  readonly servicesFile: string;
  readonly #cluster: Cluster;
  readonly #folder: string;
  readonly #over = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(cluster: Cluster, folder: string) {
    this.#cluster = cluster;
    this.#folder = folder;
    this.podsFile = join(folder, 'pods.json');
    this.servicesFile = join(folder, 'services.json');
  }

  static async start(cluster: Cluster): Promise<Discovery> {
    const discovery = new Discovery(cluster, await mkdtemp(join(tmpdir(), 'barrage-discovery-')));
    await discovery.#look();
    discovery.#running = discovery.#run();
    return discovery;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
    await rm(this.#folder, { recursive: true });
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const text = await this.#cluster.kubectl(['get', 'pods,services,endpointslices', '-A', '-o', 'json']);
    const { items } = JSON.parse(text) as { readonly items: readonly Listed[] };
    const of = <Kind extends Listed>(kind: string): readonly Kind[] => items.filter((each): each is Kind => each.kind === kind);
    const services = new Map(of('Service').map((service) => [`${service.metadata.namespace}/${service.metadata.name}`, service]));
    await this.#write(this.podsFile, of<Pod>('Pod').flatMap(podTargets));
    await this.#write(
      this.servicesFile,
      of<Slice>('EndpointSlice').flatMap((slice) => {
        const name = slice.metadata.labels?.['kubernetes.io/service-name'] ?? '';
        return sliceTargets(slice, services.get(`${slice.metadata.namespace}/${name}`));
      }),
    );
  }

  /** Prometheus must not read half a file. */
  async #write(path: string, targets: readonly Target[]): Promise<void> {
    await writeFile(`${path}.new`, JSON.stringify(targets));
    await rename(`${path}.new`, path);
  }
}

function podTargets({ metadata, spec, status }: Pod): readonly Target[] {
  const { podIP } = status;
  if (podIP === undefined) return [];
  const labels = {
    __meta_kubernetes_namespace: metadata.namespace,
    __meta_kubernetes_pod_name: metadata.name,
    ...metaLabels('__meta_kubernetes_pod', metadata.labels),
  };
  return spec.containers
    .flatMap(({ ports = [] }) => ports)
    .map(({ name = '', containerPort }) => ({
      targets: [`${podIP}:${containerPort}`],
      labels: { ...labels, __meta_kubernetes_pod_container_port_name: name },
    }));
}

function sliceTargets({ metadata, ports = [], endpoints = [] }: Slice, service: Listed | undefined): readonly Target[] {
  if (service === undefined) return [];
  const labels = {
    __meta_kubernetes_namespace: metadata.namespace,
    __meta_kubernetes_service_name: service.metadata.name,
    ...metaLabels('__meta_kubernetes_service', service.metadata.labels),
  };
  return ports.flatMap(({ name = '', port }) =>
    endpoints.flatMap(({ addresses, targetRef }) =>
      addresses.map((address): Target => ({
        targets: [`${address}:${port}`],
        labels: { ...labels, __meta_kubernetes_endpointslice_port_name: name, __meta_kubernetes_pod_name: targetRef?.name ?? '' },
      })),
    ),
  );
}

function metaLabels(prefix: string, labels: Labels = {}): Labels {
  return Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) => [
      [`${prefix}_label_${labelName(key)}`, value],
      [`${prefix}_labelpresent_${labelName(key)}`, 'true'],
    ]),
  );
}

function labelName(key: string): string {
  return key.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}
