/** Who does the work of a span, in OpenTelemetry's words. */
export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

/** Every span: its name, its kind, and what it covers. `docs/traces.md` is this table in words. */
export const spanTable = {
  'POST /v1/mesh/publish': { kind: 'server', about: 'A request to publish by HTTP, from its head to its answer.' },
  'POST /v1/mesh/send': { kind: 'server', about: 'A request by HTTP to send to one client.' },
  'POST /v1/conn/call': { kind: 'server', about: 'A request by HTTP to change one client, or to end its connection.' },
  'POST /v1/publish': { kind: 'server', about: 'A request to publish many publications, from its head to its answer.' },
  'mesh.publish': { kind: 'server', about: 'A request to publish by the WebSocket API.' },
  'mesh.send': { kind: 'server', about: 'A request by the WebSocket API to send to one client.' },
  'conn.call': { kind: 'server', about: "A request to change one client's subscriptions or context, or to end its connection." },
  'client publish': { kind: 'server', about: 'A `publish` command of a barrage.v1 client, on its gateway.' },
  append: { kind: 'producer', about: 'The append to the channel log. Its part before `bus` is the wait for the batch before it.' },
  bus: { kind: 'client', about: "One batch's round trip to Redis. Absent on a memory bus, where it is a function call." },
  wait: { kind: 'internal', about: 'The wait for the results of all gateways (`wait` "delivered").' },
  flush: { kind: 'consumer', about: 'One flush on one gateway, from the arrival of the publication to the last write.' },
  write: { kind: 'internal', about: 'The fan-out of that flush, from its first write to its last.' },
  reconcile: { kind: 'internal', about: 'One reconcile of a pool, or of its channels. Always the root of its trace.' },
  plan: { kind: 'internal', about: "The decision on a pool's gateways." },
  'kube get': { kind: 'client', about: 'A read of one object, repetitions included.' },
  'kube list': { kind: 'client', about: 'A list of objects.' },
  'kube create': { kind: 'client', about: 'A creation.' },
  'kube update': { kind: 'client', about: 'An update.' },
  'kube apply': { kind: 'client', about: 'A server-side apply.' },
  'kube delete': { kind: 'client', about: 'A deletion.' },
} as const satisfies Readonly<Record<string, { readonly kind: SpanKind; readonly about: string }>>;

export type SpanName = keyof typeof spanTable;

/**
 * Every attribute of spans, with its meaning. No attribute holds a payload, a token, a key, a user or a channel's name.
 */
export const attributeTable = {
  'http.request.method': 'Method of the request.',
  'http.route': 'Path of the publish API.',
  'http.response.status_code': 'Status of the answer.',
  'barrage.result': '`done`, or the reason of the refusal or failure.',
  'barrage.policy': "Pattern of the policy in force (`video:*`), never the channel's name unless a policy is for it alone.",
  'barrage.payload.bytes': 'Size of the payload.',
  'barrage.priority': 'Priority of the publication.',
  'barrage.members': 'Members: of the whole channel as last reported (request), or of the room on this gateway (flush).',
  'barrage.offset': "Place in the channel's order.",
  'barrage.batch.publications': 'Publications that went to Redis together.',
  'barrage.batch.bytes': 'Their payloads together.',
  'barrage.wait.unanswered': 'Gateways that did not answer in time.',
  'barrage.flush.publications': 'Publications of the flush, left out or not.',
  'barrage.flush.window_ms': 'Merge window in force.',
  'barrage.flush.collected_ms': 'Time from the arrival of the publication to the cut.',
  'barrage.flush.bytes': 'Bytes of the frames × members.',
  'barrage.flush.left_out': 'Publications × members left out on purpose.',
  'barrage.publication.left_out': 'Members for whom this publication was left out on purpose.',
  'barrage.publication.left_out_reason': '`budget`, `conflated`, `expired` or `recalled`.',
  'barrage.write.delivered': 'Members whose socket has taken the frame.',
  'barrage.write.pending': 'Members for whom the frame waits in their queue.',
  'barrage.write.slow': 'Members who read too slowly and lost it.',
  'barrage.write.disconnected': 'Members who were gone before their turn.',
  'barrage.controller': '`gatewaypool` or `barragechannel`.',
  'barrage.pool': 'Name of the GatewayPool.',
  'barrage.plan.gateways': 'Gateways that were observed.',
  'barrage.plan.desired': 'Gateways that the plan wants.',
  'barrage.plan.actions': 'Actions of the plan.',
  'k8s.namespace.name': 'Namespace of the pool.',
  'url.path': 'Path of the request to the API server, without its query.',
} as const satisfies Readonly<Record<string, string>>;

export type SpanAttributes = Partial<Readonly<Record<keyof typeof attributeTable, string | number | boolean>>>;

/** How a span begins. */
export interface SpanStart {
  /** Time of the process's monotonic clock, in milliseconds; absent: now. */
  readonly at?: number;
  readonly attributes?: SpanAttributes;
}

/** A recorded step of a sampled trace. */
export interface Span {
  /** 32 hexadecimal characters. */
  readonly traceId: string;
  /** W3C `traceparent` for whoever goes on with the trace as a child of this span. */
  readonly traceparent: string;
  child(name: SpanName, start?: SpanStart): Span;
  set(attributes: SpanAttributes): void;
  /**
   * @param end.at as in `SpanStart`
   * @param end.fault reason in words where the work failed; the span is marked as an error
   */
  end(end?: { readonly at?: number | undefined; readonly fault?: string | undefined }): void;
}

/** The origin of a request. The sampled flag of a client counts some times a second only: anybody can set it. */
export type RequestOrigin = 'backend' | 'client';

/**
 * Makes spans of sampled traces, and nothing of all others: `undefined` stands for a span that nobody wants. So a
 * process without traces, and a publication that is not sampled, pay for a question only.
 */
export interface Tracer {
  readonly isOn: boolean;
  /** Begins the trace of a request, or goes on with its sender's. This is where sampling is decided. */
  request(name: SpanName, origin: RequestOrigin, traceparent: string | undefined): Span | undefined;
  /** Goes on with a trace that another process has sampled. */
  follow(name: SpanName, traceparent: string, start?: SpanStart): Span | undefined;
  /** Counts sampled publications that get no span: a flush held too many. */
  skipped(publications: number): void;
  /**
   * Does work inside a span: spans that are made `within` it become its children. Absent such a span, and with
   * `isRoot`, the span is the first of a trace.
   */
  within<T>(
    name: SpanName,
    options: { readonly attributes?: SpanAttributes; readonly isRoot?: boolean },
    work: (span: Span | undefined) => Promise<T>,
  ): Promise<T>;
}

/** The tracer of a process without traces. */
export const noTracer: Tracer = {
  isOn: false,
  request: () => undefined,
  follow: () => undefined,
  skipped: () => undefined,
  within: (_name, _options, work) => work(undefined),
};
