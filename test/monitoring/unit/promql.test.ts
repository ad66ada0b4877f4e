import { expect, test } from 'vitest';
import { checkQuery, withVariables, type Catalogue } from '../../../monitoring/promql.ts';

const catalogue: Catalogue = {
  metrics: [
    { name: 'requests_total', type: 'counter', labels: ['code'] },
    { name: 'connections', type: 'gauge', labels: [] },
    { name: 'delay_seconds', type: 'histogram', labels: ['verb'] },
  ],
  targetLabels: ['pod', 'pool'],
};

const series = (text: string): readonly string[] => checkQuery(text, catalogue).series;
const labels = (text: string): readonly string[] => checkQuery(text, catalogue).labels;

test.each([
  ['connections', ['pod', 'pool']],
  ['sum(connections)', []],
  ['sum by(pod)(rate(requests_total{code=~"5..",pod!=""}[1m]))', ['pod']],
  ['sum(rate(requests_total[1m])) by (code)', ['code']],
  ['sum without(pod)(requests_total)', ['code', 'pool']],
  ['topk(10,sum by(pod)(connections))>0', ['pod']],
  ['histogram_quantile(0.99,sum by(le,verb)(rate(delay_seconds_bucket[1m])))', ['verb']],
  ['rate(delay_seconds_sum[1m])/rate(delay_seconds_count[1m])', ['verb', 'pod', 'pool']],
  ['connections and on(pod) requests_total', ['pod', 'pool']],
  ['connections*on(pod) group_left(code) requests_total', ['pod', 'pool', 'code']],
  ['connections/on(pod) connections', ['pod']],
  ['count(ALERTS{alertstate="firing"}) or vector(0)', []],
  ['label_replace(connections,"where","$1","pod","(.*)")', ['pod', 'pool', 'where']],
  ['max_over_time(sum by(pool)(connections)[5m:10s])', ['pool']],
  ['1-up', ['pod', 'pool']],
])('%s is right, and its series have the labels %s', (text, expected) => {
  expect(checkQuery(text, catalogue).faults).toEqual([]);
  expect(labels(text).toSorted()).toEqual(expected.toSorted());
});

test.each([
  ['sum(', 'does not parse'],
  ['sum by(pod(connections)', 'does not parse'],
  ['rate(requests_total[$__rate_interval])', 'does not parse'],
  ['conections', 'conections is exported by no process'],
  ['delay_seconds', 'delay_seconds is exported by no process'],
  ['delay_seconds_bucket{code="1"}', 'delay_seconds_bucket has no label code'],
  ['{pod="a"}', 'selects series by no name'],
  ['connections{verb="get"}', 'connections has no label verb'],
  ['sum by(verb)(connections)', 'sum by(verb)(connections) has no label verb'],
  ['sum by(pod)(sum by(pool)(connections))', 'has no label pod'],
  ['sum without(code)(connections)', 'has no label code'],
  ['connections and on(code) requests_total', 'has no label code'],
  ['connections*on(pod) group_left(verb) requests_total', 'has no label verb'],
  ['histogram_quantile(0.9,sum by(verb)(rate(delay_seconds_bucket[1m])))', 'has no label le'],
  ['label_replace(connections,"a","$1","code","(.*)")', 'has no label code'],
])('%s is wrong: %s', (text, fault) => {
  expect(checkQuery(text, catalogue).faults.join('\n')).toContain(fault);
});

test('the series of a query are told, each once', () => {
  expect(series('requests_total+connections/connections').toSorted()).toEqual(['connections', 'requests_total']);
});

test('variables get their values, and one without a value is an error', () => {
  expect(withVariables('a{b=~"$b"}[${w}]', { b: 'x|y', w: '1m' })).toBe('a{b=~"x|y"}[1m]');
  expect(() => withVariables('$other', { b: '' })).toThrow('$other in $other has no value');
});
