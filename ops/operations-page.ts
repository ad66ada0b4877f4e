import type { IncomingMessage, ServerResponse } from 'node:http';
import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { isLoopbackHost, isLoopbackHostHeader } from '../core/process/loopback.ts';
import { readGauge } from '../core/process/read-metrics.ts';
import { EventStreams, eventText, streamBounds } from './event-streams.ts';
import { pageFiles, type PageFile } from './page-files.ts';
import { sampleMs, type HistoryEvent } from './view/history.ts';
import type { Snapshot } from './view/snapshot.ts';

/** What a process tells on its operations page. A topic is what a page asks for; other processes ignore it. */
export interface OperationsSource {
  /** Takes the sample of this second. Called once a second, whether or not anybody looks. */
  sample(): void | Promise<void>;
  /** Called for a page that opens, and once a second while at least one is open: work that only a reader is worth. */
  look?(): void;
  history(topic: string): HistoryEvent;
  snapshot(topic: string): Snapshot;
}

/** Where a process serves the page. */
export interface OperationsPlace {
  /** The listening host. */
  readonly host: string;
  /** Whether the port is for administrators only. Clients and backends never get the page. */
  readonly isAdminPort: boolean;
}

/** Longest name of a topic, in characters: `namespace/name`. */
const topicCharactersMax = 317;
const retryAfterSeconds = 5;

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/**
 * The operations page of a process: `/ops`, `/ops/help`, their files, and the stream `/ops/events`. It only reads.
 *
 * It names channels, users and addresses. So it is on an admin port, for everybody who reaches that, or on a port of
 * loopback, for requests whose `Host` is loopback too (against DNS rebinding). Pages of other origins get no stream.
 */
export class OperationsPage {
  readonly #source: OperationsSource;
  readonly #place: OperationsPlace;
  readonly #streams: EventStreams;
  readonly #clock: Pick<Clock, 'soon'>;
  readonly #stop: () => void;
  #isSampling = false;

  constructor(options: {
    readonly source: OperationsSource;
    readonly place: OperationsPlace;
    readonly registry: Registry;
    readonly clock: Pick<Clock, 'monotonic' | 'every' | 'soon'>;
  }) {
    const { source, place, registry, clock } = options;
    this.#source = source;
    this.#clock = clock;
    this.#place = place;
    this.#streams = new EventStreams(clock);
    exportStreams(registry, this.#streams);
    this.#stop = clock.every(sampleMs, () => void this.#tick());
  }

  /** Answers a request for one of its paths; `false` for any other path. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const url = request.url ?? '';
    if (!/^\/ops(?:[/?]|$)/.test(url)) return false;
    const refusal = this.#refusal(request);
    if (refusal !== undefined) refuse(response, refusal);
    else if (url.startsWith('/ops/events')) this.#open(request, response);
    else void this.#serve(request, response);
    return true;
  }

  /** Ends the samples and all streams. */
  close(): void {
    this.#stop();
    this.#streams.close();
  }

  #refusal({ method, headers: { host } }: IncomingMessage): Refusal | undefined {
    const isLoopback = isLoopbackHost(this.#place.host);
    if (!this.#place.isAdminPort && !isLoopback)
      return {
        status: 403,
        message: 'clients reach this port, and the operations page is for administrators: set BARRAGE_ADMIN_PORT, and open it there',
      };
    if (isLoopback && !isLoopbackHostHeader(host))
      return { status: 403, message: 'this process listens on loopback only: open the page by the host name localhost' };
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, message: 'use GET: the operations page only reads' };
    return undefined;
  }

  #open(request: IncomingMessage, response: ServerResponse): void {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost');
    const topic = (searchParams.get('pool') ?? '').slice(0, topicCharactersMax);
    const site = request.headers['sec-fetch-site'];
    if (site === 'cross-site' || site === 'same-site') {
      refuse(response, { status: 403, message: 'only the operations page itself may read this stream' });
      return;
    }
    if (request.method === 'HEAD') {
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' }).end();
      return;
    }
    this.#source.look?.();
    const events = `${eventText('history', this.#source.history(topic))}${eventText('snapshot', this.#source.snapshot(topic))}`;
    if (this.#streams.open(response, headers, { topic, events })) return;
    const message = `${streamBounds.streamsMax} operations pages are open on this process, which is the most: close one, or come back in ${retryAfterSeconds} s`;
    refuse(response, { status: 503, message });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?', 1)[0]?.replace(/^\/ops\/$/, '/ops') ?? '';
    let file: PageFile | undefined;
    try {
      file = (await pageFiles()).get(path);
    } catch {
      refuse(response, { status: 500, message: "the files of the operations page can't be read: is the folder ops installed whole?" });
      return;
    }
    if (file === undefined) {
      refuse(response, { status: 404, message: 'there is no such page: open /ops' });
      return;
    }
    const isKnown = request.headers['if-none-match'] === file.etag;
    response.writeHead(isKnown ? 304 : 200, { ...headers, etag: file.etag, 'content-type': file.contentType });
    response.end(isKnown || request.method === 'HEAD' ? undefined : file.body);
  }

  async #tick(): Promise<void> {
    // A sample that takes longer than a second is finished first.
    if (this.#isSampling) return;
    this.#isSampling = true;
    try {
      await this.#source.sample();
    } catch {
      // A metric that can't be read leaves out one second of the page, and nothing else.
    } finally {
      this.#isSampling = false;
    }
    if (this.#streams.size === 0) return;
    this.#source.look?.();
    const events = new Map<string, string>();
    for (const topic of this.#streams.topics) {
      events.set(topic, eventText('snapshot', this.#source.snapshot(topic)));
      // Snapshots of large pools are turns of their own.
      await new Promise<void>((resolve) => void this.#clock.soon(resolve));
    }
    this.#streams.send((topic) => events.get(topic));
  }
}

interface Refusal {
  readonly status: 403 | 404 | 405 | 500 | 503;
  readonly message: string;
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  if (status === 503) response.setHeader('retry-after', String(retryAfterSeconds));
  if (status === 405) response.setHeader('allow', 'GET, HEAD');
  response.writeHead(status, { ...headers, 'cache-control': 'no-store', 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}

/** Registers the metrics of the streams. */
export function exportStreams(registry: Registry, streams: Pick<EventStreams, 'size' | 'refused' | 'stalled'>): void {
  readGauge(
    registry,
    { name: 'barrage_ops_streams', help: `Open operations pages, at most ${streamBounds.streamsMax}.` },
    () => streams.size,
  );
  void new Counter({
    name: 'barrage_ops_streams_ended_total',
    help: 'Operations pages that were refused because too many were open (`refused`), or dropped because they read too slowly (`stalled`).',
    labelNames: ['why'],
    registers: [registry],
    collect() {
      this.reset();
      this.inc({ why: 'refused' }, streams.refused);
      this.inc({ why: 'stalled' }, streams.stalled);
    },
  });
}
