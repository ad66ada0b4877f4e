import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { openMetricsOf, wantsOpenMetrics } from '../../core/process/open-metrics.ts';
import { Distribution } from '../../gateway/accounts/distribution.ts';

/** What Prometheus sends, and what else one meets. */
test.each([
  ['application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1', true],
  ['application/openmetrics-text', true],
  ['text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.5', true],
  ['text/plain;version=0.0.4', false],
  ['text/plain;q=0.9,application/openmetrics-text;q=0.1', false],
  ['application/openmetrics-text;version=2.0.0', false],
  ['application/openmetrics-text;q=0', false],
  ['*/*', false],
  ['', false],
  [undefined, false],
])('OpenMetrics is for who asks for it: %s', (accept, wanted) => {
  expect(wantsOpenMetrics(accept)).toBe(wanted);
});

test('a registry in OpenMetrics has the same series, an end, and exemplars; the plain text stays as it was', async () => {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'requests_total', help: 'Requests.', labelNames: ['code'], registers }).inc({ code: '200' }, 3);
  new Gauge({ name: 'open', help: 'Open.', registers }).set(2);
  new Histogram({ name: 'seconds', help: 'Seconds.', buckets: [1], registers }).observe(0.5);
  const latency = new Distribution(registry, { name: 'latency_seconds', help: 'Latency.', buckets: [0.1, 1] });
  latency.observe(0.05);
  latency.observe(0.5);
  latency.exemplify(0.5, 'abc', 1_700_000_000_123);
  const before = await registry.metrics();
  const view = openMetricsOf(registry);
  const lines = (await view.metrics()).split('\n');
  expect(lines).toEqual([
    '# HELP requests Requests.',
    '# TYPE requests counter',
    'requests_total{code="200"} 3',
    '# HELP open Open.',
    '# TYPE open gauge',
    'open 2',
    '# HELP seconds Seconds.',
    '# TYPE seconds histogram',
    'seconds_bucket{le="1"} 1',
    'seconds_bucket{le="+Inf"} 1',
    'seconds_sum 0.5',
    'seconds_count 1',
    '# HELP latency_seconds Latency.',
    '# TYPE latency_seconds histogram',
    'latency_seconds_bucket{le="0.1"} 1',
    'latency_seconds_bucket{le="1"} 2 # {trace_id="abc"} 0.5 1700000000.123',
    'latency_seconds_bucket{le="+Inf"} 2',
    'latency_seconds_sum 0.55',
    'latency_seconds_count 2',
    '# EOF',
    '',
  ]);
  expect(view.contentType).toContain('application/openmetrics-text');
  expect(await registry.metrics()).toBe(before);
  expect(before).toContain('requests_total{code="200"} 3');
  expect(before).not.toContain('trace_id');
});
