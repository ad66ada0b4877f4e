import { Registry, type Metric, type OpenMetricsContentType } from 'prom-client';

interface ReadableMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  get(): Promise<object>;
}

const openMetricsType = 'application/openmetrics-text';
const plainType = 'text/plain';

/**
 * Whether a reader of metrics prefers OpenMetrics, which shows exemplars, to Prometheus' text format, which everybody
 * reads. Without a wish it gets the latter.
 */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const wishes = accept.split(',').map(wishOf);
  const open = wishes.find(({ type }) => type === openMetricsType)?.quality ?? 0;
  const plain = wishes.find(({ type }) => type === plainType)?.quality ?? 0;
  return open > 0 && open >= plain;
}

function wishOf(range: string): { readonly type: string; readonly quality: number } {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  // Version 1.0.0 is the only one in use; another one is a format that is not known here.
  const version = parameters.find((parameter) => parameter.startsWith('version='))?.slice('version='.length);
  const isKnown = type !== openMetricsType || version === undefined || /^"?(?:1\.0\.0|0\.0\.1)"?$/.test(version);
  const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice('q='.length) ?? 1);
  return { type, quality: isKnown && quality >= 0 ? quality : 0 };
}

const counterSuffix = /_total$/;

/**
 * A view of a registry in the format OpenMetrics. The library's own switch would rename the registry's counters for
 * every later reader.
 */
export function openMetricsOf(registry: Registry): Registry<OpenMetricsContentType> {
  const view = new Registry<OpenMetricsContentType>();
  view.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const metric of registry.getMetricsAsArray() as unknown as readonly ReadableMetric[]) {
    const name = metric.type === 'counter' ? metric.name.replace(counterSuffix, '') : metric.name;
    const shown = { name, help: metric.help, type: metric.type, get: async () => ({ ...(await metric.get()), name }) };
    view.registerMetric(shown as unknown as Metric);
  }
  return view;
}
