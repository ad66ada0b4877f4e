/** Labels of a pool. Prometheus adds them to the series of a pod (`docs/alerts.md`). */
export const byPool = 'namespace, pool';
/** Labels of one process of a pool. */
export const byProcess = 'namespace, pool, pod, instance';

/** Template: ` of pool live/web`; empty where the series have no such label. */
export const ofPool = '{{ with $labels.pool }} of pool {{ $labels.namespace }}/{{ . }}{{ end }}';
/** Template: name of a process, or its address where it is no pod. */
export const process = '{{ or $labels.pod $labels.instance }}';
/** Template: the value as a whole number. */
export const count = '{{ $value | printf "%.0f" }}';

/** Template: the value as a whole number with its noun: `1 room`, `2 rooms`. @param ending of the plural */
export function counted(noun: string, ending: string = 's'): string {
  return `${count} ${noun}{{ if ne (printf "%.0f" $value) "1" }}${ending}{{ end }}`;
}

/** Labels of the gateway `web-1` of the pool `live/web` in examples. */
export const gatewayLabels = { namespace: 'live', pool: 'web', pod: 'web-1', instance: '10.0.0.1:6780' } as const;
/** Labels of the pool `live/web` in examples. */
export const poolLabels = { namespace: 'live', pool: 'web' } as const;

/** A selector of an example: the metric with these labels. */
export function seriesOf(metric: string, labels: Readonly<Record<string, string>>): string {
  return `${metric}{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}}`;
}

/** A selector of an example: the metric of the gateway `web-1`. */
export function ofGateway(metric: string, labels: Readonly<Record<string, string>> = {}): string {
  return seriesOf(metric, { ...gatewayLabels, ...labels });
}

/** A selector of an example: a condition of the pool `live/web`, as the leading operator exports it. */
export function conditionOf(type: string, status: string, reason: string): string {
  return seriesOf('barrage_operator_pool_condition', { ...poolLabels, pod: 'barrage-operator-1', type, status, reason });
}

/** A selector of an example: a count of the pool's gateways, as the leading operator exports it. */
export function gatewaysOf(state: string): string {
  return seriesOf('barrage_operator_pool_gateways', { ...poolLabels, pod: 'barrage-operator-1', state });
}
