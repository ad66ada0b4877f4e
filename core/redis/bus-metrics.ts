import { readDurations } from '../process/durations.ts';
import { readCounter, readCounters, readGauge, readGauges } from '../process/read-metrics.ts';
import { Counter, Gauge, type Registry } from 'prom-client';
import { appendFailureReasons } from './append-failures.ts';
import { connectionPurposes, roundTrips } from './bus-accounts.ts';
import type { RedisBusFigures } from './bus.ts';

/** Exports the figures of a Redis bus, or the sums of several. Call it once for each registry. */
export function exportBusMetrics(registry: Registry, bus: { readonly figures: () => RedisBusFigures }): void {
  const registers = [registry];
  const answerWords = appendFailureReasons
    .slice(3)
    .map((word) => `\`${word}\``)
    .join(', ');
  readGauge(
    registry,
    { name: 'barrage_bus_appends_waiting', help: 'Publications that wait for Redis or are under way.' },
    () => bus.figures().appendsWaiting,
  );
  readGauge(
    registry,
    { name: 'barrage_bus_appends_waiting_bytes', help: 'Payload bytes of the publications that wait for Redis or are under way.' },
    () => bus.figures().appendBytesWaiting,
  );
  exportConnections(registry, bus);
  readGauge(
    registry,
    {
      name: 'barrage_bus_reports_waiting',
      help: "Rooms here whose members have changed since their last report. Above 0 for long: counts of this gateway's rooms are older than a second.",
    },
    () => bus.figures().reportsWaiting,
  );
  void new Counter({
    name: 'barrage_bus_append_failures_total',
    help: `Publications that could not be appended, by reason: \`unavailable\` (Redis is away), \`late\` (no answer in time), \`full\` (too many wait), or the first word of Redis' answer: ${answerWords}. The log has its words.`,
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      const { appendFailures } = bus.figures();
      for (const reason of appendFailureReasons) this.inc({ reason }, appendFailures.get(reason) ?? 0);
    },
  });
  void new Gauge({
    name: 'barrage_bus_subscriptions',
    help: 'Bus channels of this process: `in_force` (Redis confirmed them), or `waiting`. Waiting for more than some seconds: Redis refuses them, or no master has their slot.',
    labelNames: ['state'],
    registers,
    collect() {
      const { inForce, waiting } = bus.figures().subscriptions;
      this.set({ state: 'in_force' }, inForce);
      this.set({ state: 'waiting' }, waiting);
    },
  });
  void new Counter({
    name: 'barrage_bus_subscription_faults_total',
    help: 'Subscriptions `ended` by Redis (a slot moved or was set anew) and made again; `refused` by Redis and tried again. `unproved`: connections made anew because their subscriptions could not be proved.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(bus.figures().subscriptionFaults)) this.inc({ kind }, count);
    },
  });
  void new Gauge({
    name: 'barrage_bus_certificate_expiry_timestamp_seconds',
    help: 'Earliest end of the certificates of the Redis servers, in Unix seconds, as read with each new connection. Without TLS there is no sample.',
    registers,
    collect() {
      const { certificateEndsAt } = bus.figures();
      if (certificateEndsAt === undefined) this.remove();
      else this.set(certificateEndsAt / 1000);
    },
  });
  const counted = (name: string, help: string, read: () => number): void => readCounter(registry, { name, help }, read);
  counted('barrage_bus_envelopes_refused_total', 'Batches on the bus that could not be decoded.', () => bus.figures().envelopesRefused);
  counted(
    'barrage_bus_messages_refused_total',
    'Messages between gateways and publishers that could not be decoded.',
    () => bus.figures().messagesRefused,
  );
  counted('barrage_bus_connection_errors_total', 'Errors of the connections to Redis.', () => bus.figures().connectionErrors);
}

/** The connections to Redis, the times of its answers, and the bytes of histories. */
function exportConnections(registry: Registry, bus: { readonly figures: () => RedisBusFigures }): void {
  readGauges(
    registry,
    {
      name: 'barrage_bus_connections',
      help: 'Connections to the masters of Redis by purpose (`commands`, `subscriptions`) and state: `up`, or `down` while one is being made again. In a Cluster the bus is up while one master is.',
      labelNames: ['purpose', 'state'],
    },
    () => {
      const { connections } = bus.figures();
      const states = ['up', 'down'] as const;
      return connectionPurposes.flatMap((purpose) => states.map((state) => [{ purpose, state }, connections[purpose][state]] as const));
    },
  );
  readCounters(
    registry,
    {
      name: 'barrage_bus_reconnects_total',
      help: 'Connections to Redis that were made again and could be used, by purpose. After each of `subscriptions` publications may be missing.',
      labelNames: ['purpose'],
    },
    () => {
      const { reconnects } = bus.figures();
      return connectionPurposes.map((purpose) => [{ purpose }, reconnects[purpose]] as const);
    },
  );
  readDurations(
    registry,
    {
      name: 'barrage_bus_round_trip_seconds',
      help: "Time from a request to Redis to its answer: `append` (a batch), `history` (a page), `call` (a request to one gateway and its reply), `check` (each connection's health check, twice a second).",
      label: 'operation',
    },
    () => {
      const { roundTrips: times } = bus.figures();
      return roundTrips.map((operation) => [operation, times[operation]] as const);
    },
  );
  readCounters(
    registry,
    {
      name: 'barrage_bus_history_bytes_total',
      help: "Payload bytes of channels' histories that this process has `kept` in Redis, and `read` from it. Redis' own memory is in its `INFO memory`.",
      labelNames: ['direction'],
    },
    () => {
      const { kept, read } = bus.figures().historyBytes;
      return [
        [{ direction: 'kept' }, kept],
        [{ direction: 'read' }, read],
      ];
    },
  );
}
