import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ChannelLog } from '../../core/bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { originOfHeader } from '../../core/origin.ts';
import type { ChannelPolicy, Policies } from '../../core/policy/policy.ts';
import { isLoopbackHost, isLoopbackHostHeader, isLoopbackOrigin } from '../../core/process/loopback.ts';
import type { Settings } from '../../core/process/settings.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { GatewayJournal } from '../accounts/log-lines.ts';
import type { PullMetrics, PullResult } from '../accounts/pull-metrics.ts';
import { shownOrigin } from '../connections/admission.ts';
import { mayJoin } from '../identity/channel-access.ts';
import type { Authenticate } from '../identity/identity.ts';
import type { EncodedDocument } from './encoded-document.ts';
import {
  bearerOf,
  codingOf,
  documentHeaders,
  hasAlready,
  headControl,
  preflightHeaders,
  refusalHeaders,
  segmentControl,
  unchangedHeaders,
  type Audience,
} from './headers.ts';
import { HistoryReads } from './history-reads.ts';
import { PullDocuments } from './pull-documents.ts';
import { readPullRequest, type PullRequest } from './pull-request.ts';
import { refusals, type Refusal } from './refusals.ts';
import { DocumentsUnderWay } from './documents-under-way.ts';
import { TokenVerdicts } from './token-verdicts.ts';

export interface PullEndpointOptions {
  readonly settings: Pick<Settings, 'gatewayHost' | 'gatewayOrigins' | 'pullRequestsPerSecond'>;
  readonly log: Pick<ChannelLog, 'history'>;
  /** Undefined while they are not known. */
  readonly policies: () => Policies | undefined;
  readonly authenticate: Authenticate;
  readonly metrics: PullMetrics;
  readonly journal: GatewayJournal;
  readonly clock: Pick<Clock, 'monotonic' | 'wall'>;
  /** Bytes of encoded documents that are held; default: `limits.pullCacheBytesMax`. */
  readonly cacheBytesMax?: number;
}

/** An answer before it is sent. */
type Outcome =
  | { readonly kind: 'document'; readonly document: EncodedDocument; readonly audience: Audience; readonly control: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly audience: Audience };

type Asker = Pick<IncomingMessage, 'headers'>;

/** Answers `GET /v1/channels/{channel}/head` and `…/segments/{epoch}/{n}`: `docs/pull.md`. */
export class PullEndpoint {
  readonly #options: PullEndpointOptions;
  readonly #documents: PullDocuments;
  readonly #underWay = new DocumentsUnderWay({ bytesMax: limits.pullSendingBytesMax, standstillMsMax: limits.pullStandstillMsMax });
  readonly #verdicts: TokenVerdicts;
  readonly #bucket: TokenBucket;
  readonly #isLoopback: boolean;

  constructor(options: PullEndpointOptions) {
    const { log, clock, metrics, settings, cacheBytesMax = limits.pullCacheBytesMax } = options;
    this.#options = options;
    this.#documents = new PullDocuments({
      reads: new HistoryReads({ log, clock, onRead: () => metrics.reads.inc(), onRefused: (of) => metrics.readsRefused.inc({ of }) }),
      clock,
      onEncoded: (document) => metrics.encoded.inc({ document }),
      cacheBytesMax,
    });
    metrics.sources = { cacheBytes: () => this.#documents.bytes, sendingBytes: () => this.#underWay.bytes };
    this.#verdicts = new TokenVerdicts(options.authenticate, clock);
    this.#bucket = new TokenBucket(settings.pullRequestsPerSecond, clock.monotonic());
    this.#isLoopback = isLoopbackHost(settings.gatewayHost);
  }

  /** Answers one request; never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const rate = this.#options.settings.pullRequestsPerSecond;
    if (!this.#bucket.tryTake(this.#options.clock.monotonic(), rate, rate)) {
      this.#refuse(response, { refusal: refusals.rate(), audience: 'public' }, 'limited');
      return;
    }
    const read = readPullRequest(method, url);
    if (read.kind === 'preflight') {
      this.#count('other', 'preflight');
      response.writeHead(204, preflightHeaders).end();
      return;
    }
    if (read.kind === 'refused') {
      this.#refuse(response, { refusal: read.refusal, audience: 'public' });
      return;
    }
    const outcome = await this.#outcome(read.request, request);
    if (outcome.kind === 'refused') this.#refuse(response, outcome, undefined, read.request.kind);
    else this.#send(request, response, outcome, read.request.kind);
  }

  async #outcome(request: PullRequest, asker: Asker): Promise<Outcome> {
    let audience: Audience = 'private';
    const refused = (refusal: Refusal): Outcome => ({ kind: 'refused', refusal, audience });
    try {
      const stranger = this.#strangerRefusal(asker);
      if (stranger !== undefined) return refused(stranger);
      const policy = this.#options.policies()?.of(request.channel);
      if (policy === undefined) return refused(refusals.unready());
      const { history } = policy;
      const isPublic = policy.access.subscribe === 'Public';
      if (isPublic || history === undefined) audience = 'public';
      if (history === undefined) return refused(refusals.history(request.channel, policy.channel));
      const denial = isPublic ? undefined : await this.#denial(policy, request.channel, asker);
      if (denial !== undefined) return refused(denial);
      const answer = await (request.kind === 'head'
        ? this.#documents.head(request.channel, history)
        : this.#documents.segment(request.channel, request.part, history));
      if (answer.kind === 'refused') return refused(answer.refusal);
      const lastsMs = answer.oldestAt + history.ttlSeconds * 1000 - this.#options.clock.wall();
      const control = request.kind === 'head' ? headControl(audience) : segmentControl(audience, lastsMs);
      return { kind: 'document', document: answer.document, audience, control };
    } catch (error) {
      this.#options.journal.write('pull-failed', { channel: request.channel, err: error });
      return refused(refusals.internal());
    }
  }

  /**
   * The refusal of a page that reaches this machine's own gateway from elsewhere. Beyond loopback there is nothing to
   * guard: what is public is so for every program, and no browser sends a token by itself.
   */
  #strangerRefusal({ headers: { host, origin: header } }: Asker): Refusal | undefined {
    if (!this.#isLoopback) return undefined;
    if (!isLoopbackHostHeader(host)) return refusals.host();
    const { gatewayOrigins } = this.#options.settings;
    if (header === undefined || gatewayOrigins.includes('*')) return undefined;
    const origin = originOfHeader(header);
    const isKnown = origin !== undefined && (isLoopbackOrigin(origin) || gatewayOrigins.includes(origin));
    return isKnown ? undefined : refusals.origin(shownOrigin(header));
  }

  /** Why an asker may not read a channel that is not public; `undefined` where it may. */
  async #denial(policy: ChannelPolicy, channel: string, { headers }: Asker): Promise<Refusal | undefined> {
    const token = bearerOf(headers.authorization);
    if (token === undefined) return refusals.unauthenticated(`channel "${channel}" needs a token: send Authorization: Bearer TOKEN`);
    const verdict = await this.#verdicts.of(token);
    if (verdict.kind === 'late') return refusals.auth();
    if (verdict.kind === 'refused') return refusals.unauthenticated('the token was refused: send a good one');
    return mayJoin(policy, channel, verdict.uid) === 'allowed' ? undefined : refusals.forbidden();
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { document, audience, control }: Extract<Outcome, { kind: 'document' }>,
    kind: PullRequest['kind'],
  ): void {
    const { method, headers } = request;
    const isGzip = codingOf(headers['accept-encoding']?.toString(), ['gzip']) !== undefined;
    const { bytes, etag } = isGzip ? document.gzip : document.plain;
    const out = documentHeaders({ etag, isGzip, length: bytes.length }, { control, audience });
    if (hasAlready(headers['if-none-match'], etag)) {
      this.#count(kind, 'unchanged');
      response.writeHead(304, unchangedHeaders(out)).end();
      return;
    }
    if (!this.#underWay.begin(document, response)) {
      this.#refuse(response, { refusal: refusals.crowded(), audience }, 'limited', kind);
      return;
    }
    this.#count(kind, 'sent');
    response.writeHead(200, out).end(method === 'HEAD' ? undefined : bytes);
  }

  #refuse(
    response: ServerResponse,
    { refusal, audience }: { readonly refusal: Refusal; readonly audience: Audience },
    result: PullResult = refusal.status >= 500 ? 'unavailable' : 'refused',
    kind: PullRequest['kind'] | 'other' = 'other',
  ): void {
    this.#count(kind, result);
    const { status, code, message } = refusal;
    const body = `${JSON.stringify({ error: { code, message } })}\n`;
    const headers = { ...refusalHeaders(refusal, audience), 'content-length': String(Buffer.byteLength(body)) };
    response.writeHead(status, headers).end(response.req.method === 'HEAD' ? undefined : body);
  }

  #count(document: PullRequest['kind'] | 'other', result: PullResult): void {
    this.#options.metrics.requests.inc({ document, result });
  }
}
