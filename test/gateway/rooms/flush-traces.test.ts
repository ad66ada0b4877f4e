import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Conflation, Publication } from '../../../core/publication.ts';
import { defaultPolicy } from '../../../core/policy/policy.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { tracedPerFlushMax } from '../../../gateway/rooms/flush-traces.ts';
import type { Member, Subscriber } from '../../../gateway/rooms/members.ts';
import { Room } from '../../../gateway/rooms/room.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { latest, logBatch, publication } from '../../support/publications.ts';
import { RecordingTracer } from '../../support/recorded-spans.ts';

const zero = (): number => 0;
const gauges = {
  connections: zero,
  connectionsMax: zero,
  sockets: zero,
  subscriptions: zero,
  rooms: zero,
  busUp: () => true,
  stretchedRooms: zero,
  fanOutShare: zero,
};
const policy = { ...defaultPolicy, channel: 'video:*' };

/** A room on a gateway without a network, whose publications may be sampled. */
class Traced {
  readonly clock = new FakeClock();
  readonly tracer = new RecordingTracer();
  readonly registry = new Registry();
  readonly metrics = new GatewayMetrics(this.registry, gauges);
  readonly room: Room;
  #offset = 0;

  constructor() {
    const fanOut = new FanOut({ clock: this.clock, onSlice: () => {} });
    const surroundings = { fanOut, metrics: this.metrics, clock: this.clock, done: new DoneFlushes<never>(), tracer: this.tracer };
    this.room = new Room({ channel: 'video:1', policy, position: { epoch: 'e', offset: 0 }, surroundings, onActive() {} });
  }

  join(members: number, isSlow = false): void {
    for (let index = 0; index < members; index++) {
      const connection = {
        encoding: v1Encoding,
        encodingOf: () => v1Encoding,
        isFull: false,
        members: [] as Member[],
        sendBatch: () => !isSlow,
      };
      const memberClass = v1Encoding.classAt('full');
      const member: Member = {
        connection: connection as unknown as Subscriber,
        room: this.room,
        memberClass,
        asked: undefined,
        active: true,
        index: -1,
      };
      this.room.join(member);
    }
  }

  receive(...publications: readonly Publication[]): void {
    this.room.receive(logBatch(this.#offset + 1, publications));
    this.#offset += publications.length;
  }
}

let traces = 0;
function sampled(text: string, conflation?: Conflation): Publication {
  traces++;
  return publication(text, { conflation, traceparent: `00-${String(traces).padStart(32, 'a')}-${'b'.repeat(16)}-01` });
}

test('a window of several publications has spans for the sampled ones alone', async () => {
  const traced = new Traced();
  traced.join(3);
  traced.receive(publication('at once'));
  await traced.clock.advance(10);
  const began = traced.clock.monotonic();
  traced.receive(publication('b'), sampled('c'), publication('d'));
  expect(traced.tracer.spans).toEqual([]);
  await traced.clock.advance(200);
  const [flush, ...others] = traced.tracer.spans;
  expect(others).toEqual([]);
  expect(flush).toMatchObject({ name: 'flush', startedAt: began });
  expect(flush?.attributes).toEqual({
    'barrage.policy': 'video:*',
    'barrage.offset': 3,
    'barrage.members': 3,
    'barrage.flush.publications': 3,
    'barrage.flush.window_ms': 100,
    'barrage.flush.collected_ms': 90,
    'barrage.flush.bytes': expect.any(Number),
    'barrage.flush.left_out': 0,
  });
  expect(flush?.children.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['write', { 'barrage.write.delivered': 3, 'barrage.write.pending': 0, 'barrage.write.slow': 0, 'barrage.write.disconnected': 0 }],
  ]);
  expect(flush?.ended).toBeDefined();
  expect(flush?.children[0]?.ended?.at).toBeGreaterThanOrEqual(flush?.children[0]?.startedAt ?? Infinity);
});

test('the trace of a publication that was left out says for whom and why', async () => {
  const traced = new Traced();
  traced.join(2);
  traced.receive(publication('at once'));
  traced.receive(sampled('old', latest('k')), publication('new', { conflation: latest('k') }));
  await traced.clock.advance(200);
  expect(traced.tracer.spans[0]?.attributes).toMatchObject({
    'barrage.flush.left_out': 2,
    'barrage.publication.left_out': 2,
    'barrage.publication.left_out_reason': 'conflated',
  });
});

test('a frame that waits in a queue is pending', async () => {
  const traced = new Traced();
  traced.join(2, true);
  traced.receive(sampled('a'));
  await traced.clock.advance(1);
  expect(traced.tracer.spans[0]?.children[0]?.attributes).toMatchObject({ 'barrage.write.delivered': 0, 'barrage.write.pending': 2 });
});

test('one flush has spans for so many sampled publications, and counts the rest', async () => {
  const traced = new Traced();
  traced.join(1);
  traced.receive(publication('at once'));
  traced.receive(...Array.from({ length: tracedPerFlushMax + 2 }, () => sampled('x')));
  await traced.clock.advance(200);
  expect(traced.tracer.spans).toHaveLength(tracedPerFlushMax);
  expect(traced.tracer.skippedPublications).toBe(2);
  // The next window has room again.
  traced.receive(sampled('y'));
  await traced.clock.advance(200);
  expect(traced.tracer.spans).toHaveLength(tracedPerFlushMax + 1);
});

test('a publication before a hole is in the flush before it, and one behind it in the next', async () => {
  const traced = new Traced();
  traced.join(1);
  traced.receive(publication('at once'));
  traced.receive(sampled('before'));
  traced.room.receive(logBatch(10, [sampled('behind')], 'another'));
  await traced.clock.advance(300);
  expect(traced.tracer.spans.map(({ attributes }) => attributes['barrage.offset'])).toEqual([2, 10]);
});

test('a sent publication is the exemplar of its latency in OpenMetrics', async () => {
  const traced = new Traced();
  traced.join(1);
  const exemplary = sampled('a');
  traced.receive(exemplary);
  await traced.clock.advance(1);
  const metric = await traced.registry.getSingleMetric('barrage_delivery_latency_seconds')?.get();
  const exemplars = metric?.values.flatMap((value) => ('exemplar' in value ? [value.exemplar] : []));
  expect(exemplars).toEqual([
    { labelSet: { trace_id: exemplary.traceparent?.slice(3, 35) }, value: expect.any(Number), timestamp: expect.any(Number) },
  ]);
});
