import type { Dashboard } from './panel.ts';
import { max, quantile, rate, sum } from './queries.ts';
import { ofOperators, ofPools } from './variables.ts';

/** How many gateways there are and why, and whether the operator works. */
export const operator: Dashboard = {
  name: 'operator-and-scaling',
  title: 'Barrage / Operator and scaling',
  description: 'How many gateways there are and why, what holds a pool up, and whether the operator works.',
  variables: ['namespace', 'pool', 'operator'],
  sections: [
    {
      title: 'Pools: how many gateways, and why?',
      panels: [
        {
          kind: 'lines',
          title: 'Gateways',
          description:
            'Gateways of each pool by state: desired, existing, and of these ready, updated and draining. With scaling by connections also the bounds.',
          unit: 'short',
          queries: [
            { expression: sum(`barrage_operator_pool_gateways{${ofPools}}`, 'pool', 'state'), legend: '{{pool}} {{state}}' },
            {
              expression: max(`barrage_operator_pool_scaling{${ofPools},bound=~"min|max"}`, 'pool', 'bound'),
              legend: '{{pool}} {{bound}}',
            },
          ],
          runbook: 'rollout-stuck',
        },
        {
          kind: 'lines',
          title: 'Connections for a gateway',
          description: 'Mean connections of the gateways of each pool. With scaling by connections the number of gateways follows it.',
          unit: 'short',
          queries: [
            {
              expression: `${sum(`barrage_gateway_connections{${ofPools}}`, 'pool')}/count by(pool)(barrage_gateway_rooms{${ofPools}})`,
              legend: '{{pool}} now',
            },
            { expression: max(`barrage_operator_pool_scaling{${ofPools},bound="target"}`, 'pool'), legend: '{{pool}} target' },
          ],
          runbook: 'scaling-limited',
        },
        {
          kind: 'table',
          title: 'Conditions of the pools',
          description: 'What the operator says of each pool, with the reason. docs/operator.md says what to do about each.',
          unit: 'none',
          queries: [
            {
              expression: sum(`barrage_operator_pool_condition{${ofPools}}`, 'namespace', 'pool', 'type', 'status', 'reason'),
              legend: 'Series',
            },
          ],
        },
        {
          kind: 'states',
          title: 'Scaling, rollouts and drains',
          description: 'Since when a pool changes its gateways, drains some, or is at the limit of its scaling.',
          unit: 'none',
          queries: [
            {
              expression: sum(
                `barrage_operator_pool_condition{${ofPools},status="True",type=~"Progressing|Draining|ScalingLimited|BusChanging|Paused"}`,
                'pool',
                'type',
                'reason',
              ),
              legend: '{{pool}} {{type}} {{reason}}',
            },
          ],
          words: [{ value: 1, text: 'yes', color: 'orange' }],
          runbook: 'rollout-stuck',
        },
        {
          kind: 'lines',
          title: 'Gateways behind the newest document',
          description: 'Gateways and publishers whose pool document is older than that of the newest in the pool.',
          unit: 'short',
          queries: [
            {
              expression: `count by(pool)(barrage_pool_document_epoch{${ofPools}} < on(namespace,pool) group_left() max by(namespace,pool)(barrage_pool_document_epoch{${ofPools}}))`,
              legend: '{{pool}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Policies that are not understood',
          description: 'Fields, values and policies that a gateway of an older version leaves out.',
          unit: 'short',
          queries: [{ expression: `${sum(`barrage_pool_policy_misfits{${ofPools}}`, 'what')}>0`, legend: '{{what}}' }],
        },
      ],
    },
    {
      title: 'Operator: does it work?',
      panels: [
        {
          kind: 'figure',
          title: 'Leading operators',
          description: 'Operators that lead. One does; none for more than 20 s means that nothing is done.',
          unit: 'none',
          queries: [{ expression: sum(`leader_election_master_status{${ofOperators}}`), legend: '' }],
          thresholds: { warning: 1, critical: 0.5 },
          runbook: 'operator-not-leading',
        },
        {
          kind: 'figure',
          title: 'Pools',
          description: 'Pools that the operators know.',
          unit: 'none',
          queries: [{ expression: `max(barrage_operator_cache_objects{${ofOperators},kind="GatewayPool"})`, legend: '' }],
        },
        {
          kind: 'figure',
          title: 'Oldest news of a kind',
          description: 'Bookmarks come about every minute: minutes mean a watch that gets nothing.',
          unit: 's',
          queries: [{ expression: `max(barrage_operator_cache_age_seconds{${ofOperators}})`, legend: '' }],
          thresholds: { warning: 120, critical: 300 },
          runbook: 'operator-deaf',
        },
        {
          kind: 'figure',
          title: 'Oldest reconcile under way',
          description: 'How long the oldest reconcile has been running.',
          unit: 's',
          queries: [{ expression: `max(workqueue_longest_running_processor_seconds{${ofOperators}})`, legend: '' }],
          thresholds: { warning: 30, critical: 120 },
          runbook: 'operator-failing',
        },
        {
          kind: 'lines',
          title: 'Reconciles',
          description: 'Reconciles by result. `requeue_after` waits for something; `error` is tried again.',
          unit: 'cps',
          queries: [
            {
              expression: sum(rate('controller_runtime_reconcile_total', ofOperators), 'controller', 'result'),
              legend: '{{controller}} {{result}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Failed reconciles',
          description: 'Reconciles that failed and are tried again.',
          unit: 'cps',
          queries: [
            {
              expression: `${sum(rate('controller_runtime_reconcile_errors_total', ofOperators), 'controller')}>0`,
              legend: '{{controller}}',
            },
          ],
          runbook: 'operator-failing',
        },
        {
          kind: 'lines',
          title: 'Duration of a reconcile, p99',
          description: 'How long reconciles take.',
          unit: 's',
          queries: [
            {
              expression: quantile(0.99, 'controller_runtime_reconcile_time_seconds', ofOperators, 'controller'),
              legend: '{{controller}}',
            },
          ],
          thresholds: { warning: 1, critical: 10 },
        },
        {
          kind: 'lines',
          title: 'Keys that wait for a worker',
          description: 'Pools and channels that wait for a reconcile.',
          unit: 'short',
          queries: [{ expression: sum(`workqueue_depth{${ofOperators}}`, 'name'), legend: '{{name}}' }],
        },
        {
          kind: 'lines',
          title: 'Pushes of pool documents',
          description: "Pushes by the pod's answer. `silent` pods keep their last document.",
          unit: 'cps',
          queries: [{ expression: sum(rate('barrage_operator_pushes_total', ofOperators), 'result'), legend: '{{result}}' }],
          isStacked: true,
        },
        {
          kind: 'lines',
          title: 'Kubernetes events',
          description: 'Events of the operator by result: `dropped` and `failed` ones are lost.',
          unit: 'cps',
          queries: [{ expression: sum(rate('barrage_operator_events_total', ofOperators), 'result'), legend: '{{result}}' }],
          isStacked: true,
        },
      ],
    },
    {
      title: 'API server',
      panels: [
        {
          kind: 'lines',
          title: 'Requests to the API server',
          description: 'Requests by status code; `<error>`: no answer.',
          unit: 'cps',
          queries: [{ expression: sum(rate('rest_client_requests_total', ofOperators), 'code'), legend: '{{code}}' }],
          isStacked: true,
          width: 8,
        },
        {
          kind: 'lines',
          title: "Time of the API server's answer, p99",
          description: 'By verb. A watch counts until it begins.',
          unit: 's',
          queries: [{ expression: quantile(0.99, 'rest_client_request_duration_seconds', ofOperators, 'verb'), legend: '{{verb}}' }],
          thresholds: { warning: 1, critical: 5 },
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Wait for the rate limit, p99',
          description: 'Time that requests wait for the chart value `apiRate`.',
          unit: 's',
          queries: [{ expression: quantile(0.99, 'rest_client_rate_limiter_duration_seconds', ofOperators, 'verb'), legend: '{{verb}}' }],
          thresholds: { warning: 1, critical: 10 },
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Age of the news of each kind',
          description: 'Time since the last news. Bookmarks come about every minute.',
          unit: 's',
          queries: [{ expression: `max by(kind)(barrage_operator_cache_age_seconds{${ofOperators}})`, legend: '{{kind}}' }],
          thresholds: { warning: 120, critical: 300 },
          width: 8,
          runbook: 'operator-deaf',
        },
        {
          kind: 'lines',
          title: 'Failed lists and watches',
          description: 'Lists and watches that failed, by kind. Each begins again by itself.',
          unit: 'cps',
          queries: [{ expression: `${sum(rate('barrage_operator_cache_failures_total', ofOperators), 'kind')}>0`, legend: '{{kind}}' }],
          width: 8,
          runbook: 'operator-deaf',
        },
        {
          kind: 'lines',
          title: 'Known objects',
          description: 'Objects that the operator knows, by kind.',
          unit: 'short',
          queries: [{ expression: `max by(kind)(barrage_operator_cache_objects{${ofOperators}})`, legend: '{{kind}}' }],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'Memory of the operators',
          description: 'Resident memory of each operator; the chart limits it to 512 MiB.',
          unit: 'bytes',
          queries: [{ expression: `process_resident_memory_bytes{${ofOperators}}`, legend: '{{pod}}' }],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'CPU of the operators',
          description: 'CPU seconds a second of each operator.',
          unit: 'percentunit',
          queries: [{ expression: sum(rate('process_cpu_seconds_total', ofOperators), 'pod'), legend: '{{pod}}' }],
          width: 8,
        },
      ],
    },
  ],
};
