import type { AlertGroup } from './alert.ts';
import { count, counted, ofGateway, seriesOf } from './names.ts';

const operator = { namespace: 'barrage-system', pod: 'barrage-operator-1', instance: '10.0.0.9:8080' } as const;
const controllers = 'controller=~"gatewaypool|barragechannel"';
const errors = `sum by (namespace, controller) (increase(controller_runtime_reconcile_errors_total{${controllers}}[15m]))`;
const panics = `sum by (namespace, controller) (increase(controller_runtime_reconcile_panics_total{${controllers}}[15m]))`;

function ofOperator(metric: string, labels: Readonly<Record<string, string>> = {}): string {
  return seriesOf(metric, { ...operator, ...labels });
}

/** What the operator tells of itself. */
export const operatorAlerts: AlertGroup = {
  name: 'barrage-operator',
  recordings: [],
  alerts: [
    {
      name: 'BarrageOperatorNotLeading',
      runbook: 'operator-not-leading',
      severity: 'critical',
      // Other controllers have the same metric: only processes of ours also have pushes.
      expression:
        'count(barrage_pool_document_epoch > 0) unless on () max(leader_election_master_status and on (instance) barrage_operator_pushes_waiting) == 1',
      forDuration: '5m',
      summary: 'No operator leads: pools are neither scaled nor repaired.',
      description: `An operator's pools have ${counted('process', 'es')}, and no operator leads. Clients stay connected; nothing is scaled, rolled out or repaired.`,
      fires: {
        series: {
          [ofGateway('barrage_pool_document_epoch')]: '7x15',
          [ofGateway('barrage_pool_document_epoch', { pod: 'web-2' })]: '7x15',
          [ofOperator('leader_election_master_status', { name: 'barrage-operator' })]: '0x15',
          [ofOperator('barrage_operator_pushes_waiting')]: '0x15',
          [seriesOf('leader_election_master_status', { instance: '10.0.0.8:8080', name: 'another-controller' })]: '1x15',
        },
        atMinutes: 10,
        alerts: [
          {
            labels: {},
            description:
              "An operator's pools have 2 processes, and no operator leads. Clients stay connected; nothing is scaled, rolled out or repaired.",
          },
        ],
      },
      silent: {
        series: {
          [ofGateway('barrage_pool_document_epoch')]: '7x15',
          [ofOperator('leader_election_master_status', { name: 'barrage-operator' })]: '1x4 0 1x10',
          [ofOperator('barrage_operator_pushes_waiting')]: '0x15',
        },
        atMinutes: 10,
      },
    },
    {
      name: 'BarrageOperatorFailing',
      runbook: 'operator-failing',
      severity: 'warning',
      expression: `${errors} > 10 or ${panics} > 0`,
      forDuration: '5m',
      summary: 'Reconciles of the operator fail again and again.',
      description: `The controller {{ $labels.controller }} of the operator in {{ $labels.namespace }} has failed about ${counted('time')} within a quarter of an hour.`,
      fires: {
        series: { [ofOperator('controller_runtime_reconcile_errors_total', { controller: 'gatewaypool' })]: '0+2x30' },
        atMinutes: 25,
        alerts: [
          {
            labels: { namespace: 'barrage-system', controller: 'gatewaypool' },
            description:
              'The controller gatewaypool of the operator in barrage-system has failed about 30 times within a quarter of an hour.',
          },
        ],
      },
      silent: {
        series: {
          [ofOperator('controller_runtime_reconcile_errors_total', { controller: 'gatewaypool' })]: '0x10 4x20',
          [ofOperator('controller_runtime_reconcile_errors_total', { controller: 'certificates' })]: '0+50x30',
        },
        atMinutes: 25,
      },
    },
    {
      name: 'BarrageOperatorDeaf',
      runbook: 'operator-deaf',
      severity: 'warning',
      expression: 'barrage_operator_cache_age_seconds > 300 and barrage_operator_cache_synced == 1',
      forDuration: '5m',
      summary: 'A watch of the operator hears nothing: it acts on an old state.',
      description: `The operator {{ or $labels.pod $labels.instance }} has heard nothing of {{ $labels.kind }} objects for ${count} s.`,
      fires: {
        series: {
          [ofOperator('barrage_operator_cache_age_seconds', { kind: 'Pod' })]: '400x15',
          [ofOperator('barrage_operator_cache_synced', { kind: 'Pod' })]: '1x15',
        },
        atMinutes: 10,
        alerts: [
          {
            labels: { ...operator, kind: 'Pod' },
            description: 'The operator barrage-operator-1 has heard nothing of Pod objects for 400 s.',
          },
        ],
      },
      // The cluster has no HTTPRoutes.
      silent: {
        series: {
          [ofOperator('barrage_operator_cache_age_seconds', { kind: 'Pod' })]: '50x15',
          [ofOperator('barrage_operator_cache_synced', { kind: 'Pod' })]: '1x15',
          [ofOperator('barrage_operator_cache_age_seconds', { kind: 'HTTPRoute' })]: '4000x15',
          [ofOperator('barrage_operator_cache_synced', { kind: 'HTTPRoute' })]: '0x15',
        },
        atMinutes: 10,
      },
    },
  ],
};
