import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';

/** Bounds of the open pages of one process. */
export const streamBounds = {
  /** Most open streams of one process: each is an open page. */
  streamsMax: 16,
  /** Time after which a reader that takes nothing is dropped, in milliseconds. */
  stalledMsMax: 5_000,
} as const;

interface OpenStream {
  readonly response: ServerResponse;
  /** What the page asked for. */
  readonly topic: string;
  /** Since when its last event has not been taken, by the monotonic clock. */
  stalledSince: number | undefined;
}

/**
 * Open streams of server-sent events, bounded in number. An event is written only to a reader that took the one
 * before, so that no more than one event waits for anybody. A reader that takes nothing for `stalledMsMax` is dropped.
 */
export class EventStreams {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #streams = new Set<OpenStream>();
  /** Streams that were refused, and dropped, since the start. */
  refused = 0;
  stalled = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** What the open pages ask for, each once. */
  get topics(): ReadonlySet<string> {
    return new Set(Array.from(this.#streams, ({ topic }) => topic));
  }

  /**
   * Opens a stream with its first events.
   * @returns `false` when there are too many: nothing was written
   */
  open(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    { topic, events }: { readonly topic: string; readonly events: string },
  ): boolean {
    if (this.#streams.size >= streamBounds.streamsMax) {
      this.refused++;
      return false;
    }
    const stream: OpenStream = { response, topic, stalledSince: undefined };
    this.#streams.add(stream);
    response.on('close', () => this.#streams.delete(stream));
    response.on('error', () => this.#streams.delete(stream));
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.write(`retry: 2000\n\n${events}`);
    return true;
  }

  /** Sends each reader the event of its topic, unless it still has one to take. */
  send(eventOf: (topic: string) => string | undefined): void {
    const now = this.#clock.monotonic();
    for (const stream of this.#streams) {
      const { response } = stream;
      if (response.writableLength > 0) {
        stream.stalledSince ??= now;
        if (now - stream.stalledSince < streamBounds.stalledMsMax) continue;
        this.stalled++;
        this.#streams.delete(stream);
        response.destroy();
        continue;
      }
      stream.stalledSince = undefined;
      const event = eventOf(stream.topic);
      if (event !== undefined) response.write(event);
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const { response } of this.#streams) response.end();
    this.#streams.clear();
  }
}

/** One server-sent event. JSON has no line ends, so that its data is one line. */
export function eventText(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
