import { channelNameFault } from '../../core/channel.ts';
import { refusals, type Refusal } from './refusals.ts';
import { segmentNumberMax, segmentSpan, type SegmentPart } from './segments.ts';

/** What a client asks for. */
export type PullRequest =
  | { readonly kind: 'head'; readonly channel: string }
  | { readonly kind: 'segment'; readonly channel: string; readonly part: SegmentPart };

export type ReadPullRequest =
  | { readonly kind: 'request'; readonly request: PullRequest }
  | { readonly kind: 'preflight' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const beginning = '/v1/channels/';
const headPath = /^\/v1\/channels\/([^/]*)\/head$/;
const segmentPath = /^\/v1\/channels\/([^/]*)\/segments\/([^/]*)\/([^/]*)$/;
/** One spelling for each number: another one would be a second entry of a cache. */
const wholeNumber = /^(?:0|[1-9]\d{0,15})$/;
const epochForm = /^[0-9A-Za-z]{1,32}$/;

/** Whether a request target is below the paths of pull. */
export function isPullRequest(url: string | undefined): boolean {
  return url?.startsWith(beginning) === true;
}

/**
 * Reads one spelling of each request, and sends the others to it: they would be further entries of a cache. It is
 * `GET /v1/channels/{channel}/head` and `GET /v1/channels/{channel}/segments/{epoch}/{n}?after`,
 * the channel as `encodeURIComponent` writes it. Anything else in the query is refused, for the same reason.
 */
export function readPullRequest(method: string, url: string): ReadPullRequest {
  if (method === 'OPTIONS') return { kind: 'preflight' };
  if (method !== 'GET' && method !== 'HEAD') return refused(refusals.method());
  const [path = '', query = ''] = splitOnce(url, '?');
  const [, headOf] = headPath.exec(path) ?? [];
  const [, segmentOf, epoch = '', number = ''] = segmentPath.exec(path) ?? [];
  const name = headOf ?? segmentOf;
  if (name === undefined) return refused(refusals.path());
  const channel = decoded(name);
  if (channel === undefined) return refused(refusals.channel('the path is not percent-encoded UTF-8'));
  const fault = channelNameFault(channel);
  if (fault !== undefined) return refused(refusals.channel(fault));
  if (headOf === undefined) return inItsSpelling(readSegment(channel, { epoch, number, query }), url);
  if (query !== '') return refused(refusals.request('a head takes no query: ask without it'));
  return inItsSpelling(asked({ kind: 'head', channel }), url);
}

/** Sends a request that is spelled another way to the same one as it should be. */
function inItsSpelling(read: ReadPullRequest, url: string): ReadPullRequest {
  if (read.kind !== 'request') return read;
  const { request } = read;
  const path = pathOf(request);
  if (url === beginning + path) return read;
  // Relative, since a proxy may have taken a part of the path away.
  return refused(refusals.spelling((request.kind === 'head' ? '../' : '../../../') + path));
}

function pathOf(request: PullRequest): string {
  const name = encodeURIComponent(request.channel);
  if (request.kind === 'head') return `${name}/head`;
  const { epoch, number, after } = request.part;
  return `${name}/segments/${epoch}/${number}${after === segmentSpan(number).after ? '' : `?after=${after}`}`;
}

function readSegment(
  channel: string,
  { epoch, number, query }: { readonly epoch: string; readonly number: string; readonly query: string },
): ReadPullRequest {
  if (!epochForm.test(epoch)) return refused(refusals.request('the epoch must be the one that the head tells'));
  const n = wholeNumber.test(number) ? Number(number) : Number.NaN;
  if (!(n <= segmentNumberMax))
    return refused(refusals.request(`the number of a segment must be a whole number from 0 to ${segmentNumberMax}`));
  const span = segmentSpan(n);
  if (query === '') return asked({ kind: 'segment', channel, part: { epoch, number: n, after: span.after } });
  const [, text = ''] = /^after=(\d+)$/.exec(query) ?? [];
  const after = wholeNumber.test(text) ? Number(text) : Number.NaN;
  if (!(after > span.after && after < span.upto))
    return refused(
      refusals.request(`a segment takes only after=, the upto of its part before: an offset from ${span.after + 1} to ${span.upto - 1}`),
    );
  return asked({ kind: 'segment', channel, part: { epoch, number: n, after } });
}

function asked(request: PullRequest): ReadPullRequest {
  return { kind: 'request', request };
}

function refused(refusal: Refusal): ReadPullRequest {
  return { kind: 'refused', refusal };
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
