import type { VariableName } from './panel.ts';

/** A variable's label for people, and the query that lists its values. */
export interface VariableQuery {
  readonly label: string;
  readonly query: string;
  /** Whether several values can be chosen, or all. */
  readonly isMulti: boolean;
}

/** Series of the pods of the chosen pools. */
export const ofPools = 'namespace=~"$namespace",pool=~"$pool"';
/** Series of the chosen pods. */
export const ofPods = `${ofPools},pod=~"$pod"`;
/** Series of the chosen operators. */
export const ofOperators = 'job=~"$operator"';

/** Every series of a pod of a pool has this name: of a gateway, and of a publisher. */
const anyPod = 'barrage_bus_up';

/**
 * The variables, each with the query that lists its values. The value for all is `.+`: a series without the label is
 * another program's.
 */
export const variables: Readonly<Record<VariableName, VariableQuery>> = {
  namespace: { label: 'Namespace', query: `label_values(${anyPod}, namespace)`, isMulti: true },
  pool: { label: 'Pool', query: `label_values(${anyPod}{namespace=~"$namespace"}, pool)`, isMulti: true },
  pod: { label: 'Pod', query: `label_values(${anyPod}{${ofPools}}, pod)`, isMulti: true },
  channel: { label: 'Channel', query: `label_values(barrage_gateway_top_channel_members{${ofPools}}, channel)`, isMulti: false },
  operator: { label: 'Operator', query: 'label_values(barrage_operator_cache_objects, job)', isMulti: true },
};

export const allValue = '.+';
