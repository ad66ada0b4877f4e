/** Severity of a finding: nothing works here, something needs a look, or a fact that is worth knowing. */
export type Severity = 'broken' | 'attention' | 'notice';

export interface Advice {
  readonly severity: Severity;
  /** The finding in a few words. */
  readonly title: string;
  /** What it means for clients. */
  readonly meaning: string;
  /** What to do. */
  readonly remedy: string;
  /** The page of the repository that says more. */
  readonly page: string;
}

/** Everything that the operations page can find, by the name of its anchor on `/ops/help`. */
export const advice = {
  'bus-away': {
    severity: 'broken',
    title: 'The bus is away',
    meaning: 'Nothing is published and no publication arrives. Connected clients stay connected.',
    remedy: 'Look at Redis: is it up, reachable from here, and does it have memory? The process goes on by itself when the bus is back.',
    page: 'docs/runbooks/bus-down.md',
  },
  'bus-subscriptions': {
    severity: 'attention',
    title: 'Bus subscriptions wait',
    meaning: 'Rooms whose subscription Redis has not confirmed get no publication.',
    remedy:
      'If it lasts for more than some seconds, look in the log for refused subscriptions, and in a Redis Cluster for slots without a master.',
    page: 'docs/runbooks/subscriptions-waiting.md',
  },
  'bus-gaps': {
    severity: 'attention',
    title: 'Rooms missed publications',
    meaning: 'The bus was interrupted. Clients of barrage.v1 were told of the gap.',
    remedy: 'Look for restarts of Redis, its failovers, and its client-output-buffer-limit for pubsub.',
    page: 'docs/runbooks/holes-not-filled.md',
  },
  'append-failures': {
    severity: 'attention',
    title: "Publications can't be appended",
    meaning: 'Backends get "temporarily unavailable", and should try again.',
    remedy:
      'The bus panel names the reasons. OOM: Redis is full. late, unavailable: it is slow or away. full: publishers are faster than Redis.',
    page: 'docs/runbooks/publisher-errors.md',
  },
  'not-ready': {
    severity: 'broken',
    title: 'Not ready',
    meaning: 'Load balancers send nobody here.',
    remedy: 'It waits for what the line says. A pool document comes from the operator; a gateway number comes from the bus.',
    page: 'docs/operator.md',
  },
  draining: {
    severity: 'notice',
    title: 'Draining',
    meaning: 'This gateway moves its clients to others, and takes no new ones.',
    remedy: 'Nothing. The drain panel shows its progress. If the number of connections does not fall, see DrainTooSlow.',
    page: 'docs/runbooks/drain-stuck.md',
  },
  'connections-full': {
    severity: 'broken',
    title: 'No room for more connections',
    meaning: 'Further clients are answered 503, and try elsewhere or later.',
    remedy: 'Add gateways, or raise BARRAGE_GATEWAY_CONNECTIONS_MAX if CPU and memory allow it.',
    page: 'docs/runbooks/gateway-near-limit.md',
  },
  'connections-near-full': {
    severity: 'attention',
    title: 'Nearly as many connections as it takes',
    meaning: 'Above the bound further clients are refused.',
    remedy: 'Add gateways before the bound is reached: maxReplicas of the pool, or another gateway.',
    page: 'docs/runbooks/gateway-near-limit.md',
  },
  'connections-refused': {
    severity: 'attention',
    title: 'Connections are refused',
    meaning: "Clients can't connect here now.",
    remedy:
      'rate: many clients come at once, and come back by themselves. origin: the page is not in BARRAGE_GATEWAY_ORIGINS. host: the gateway listens on loopback. request: no HTTP, or too slow.',
    page: 'docs/settings.md',
  },
  'slow-clients': {
    severity: 'attention',
    title: 'Slow clients lose publications',
    meaning: 'Their queues are full, so the oldest batches are dropped. They are told of the gap.',
    remedy:
      "Few clients: bad networks, nothing to do. Many at once: look at the network in front, then at queueBytesMax and the budget of the channel's policy.",
    page: 'docs/runbooks/drops-above-budget.md',
  },
  'left-out': {
    severity: 'notice',
    title: 'Much is left out on purpose',
    meaning: 'The budget of a policy is smaller than what is published. Every publication that is left out is counted.',
    remedy: "Nothing, if that is wanted. Else raise budget.publicationsPerSecond of the channel's policy.",
    page: 'docs/runbooks/drops-above-budget.md',
  },
  latency: {
    severity: 'attention',
    title: 'Delivery is slow',
    meaning: 'A publication takes more than a second until it is written to the members.',
    remedy:
      'Compare with the event loop and the merge window here. If both are fine, look at the publishers, at Redis, and at the clocks of the machines.',
    page: 'docs/runbooks/delivery-latency.md',
  },
  'loop-busy': {
    severity: 'attention',
    title: 'The event loop is nearly saturated',
    meaning: 'Everything waits longer: deliveries, handshakes, probes.',
    remedy: 'Add gateways, so that each holds fewer connections. The rooms with the highest share of CPU are the reason.',
    page: 'docs/performance.md',
  },
  stretched: {
    severity: 'notice',
    title: 'Merge windows are stretched',
    meaning: 'Fan-out needs more CPU than it may take, so the costliest rooms flush less often.',
    remedy: 'Add gateways, or lower the budget of the busiest rooms. BARRAGE_FAN_OUT_PERCENT is the share that fan-out may take.',
    page: 'docs/policies.md',
  },
  'publications-refused': {
    severity: 'attention',
    title: 'Publications are refused',
    meaning: 'Backends get an error for a part of what they publish.',
    remedy:
      "invalid, too_large: the request is wrong, and its answer says how. rate_limited: the policy's limit. unauthorized: no key, or a wrong one.",
    page: 'docs/runbooks/publisher-errors.md',
  },
  'publish-latency': {
    severity: 'attention',
    title: 'Publishing is slow',
    meaning: 'Answers to backends take more than a second.',
    remedy: 'Look at the bus: publications that wait for it, and its round trip. Then at the event loop of this publisher.',
    page: 'docs/runbooks/appends-late.md',
  },
  'stands-by': {
    severity: 'notice',
    title: 'This operator stands by',
    meaning: 'Another replica leads. This one asks no gateway, so it has no figures of them.',
    remedy: 'Open the page of the leader: kubectl port-forward to the pod that the line names, port 8080.',
    page: 'docs/operator.md',
  },
  'pool-unready': {
    severity: 'broken',
    title: 'A pool is not ready',
    meaning: 'Clients may find no gateway, or backends no publisher.',
    remedy: 'The condition says what to do. kubectl describe gatewaypool has the events.',
    page: 'docs/runbooks/pool-not-ready.md',
  },
  'pool-condition': {
    severity: 'attention',
    title: 'A pool has a fault',
    meaning: 'The pool works, but not as its spec says.',
    remedy: 'The condition says what to do.',
    page: 'docs/operator.md',
  },
  'gateways-silent': {
    severity: 'attention',
    title: 'Gateways do not answer the operator',
    meaning: 'Their figures are old, and the pool is not scaled down meanwhile.',
    remedy: "Let the operator's pods reach port 6780 of the pool's pods (NetworkPolicies), and look at the node of the gateway.",
    page: 'docs/runbooks/metrics-stale.md',
  },
  'gateways-behind': {
    severity: 'notice',
    title: 'Gateways have an older pool document',
    meaning: 'They place clients by an older list of gateways. For some seconds this is usual.',
    remedy: 'If it lasts, look at barrage_operator_pushes_total for refused or silent pushes.',
    page: 'docs/placement.md',
  },
  'reconcile-errors': {
    severity: 'attention',
    title: 'Reconciles fail',
    meaning: 'Changes of pools and channels come late.',
    remedy: 'The log line reconcile-failed has the reason. Each reconcile is tried again.',
    page: 'docs/runbooks/operator-failing.md',
  },
} as const satisfies Readonly<Record<string, Advice>>;

export type AdviceName = keyof typeof advice;
