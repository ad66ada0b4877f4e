import type { Publication } from './record.ts';

export interface Answer {
  readonly E: { readonly c: number; readonly m: string; readonly published?: 'no' | 'unknown' } | null;
  readonly r?: {
    readonly offset: number;
    readonly epoch: string;
    readonly s: number;
    readonly f: number;
    readonly pending?: number;
    readonly unanswered?: readonly string[];
  };
}

/** An answer without `published` that is no success says that nothing was published. */
export type Outcome = { readonly answer: Answer } | { readonly lost: string };

/** Codes of refusals that may end: too many, the bus is away, nobody listens. */
const passing: readonly number[] = [502, 503, 0];

/** Writes down what an attempt says of a publication's fate. @returns whether another attempt may say more */
export function settle(publication: Publication, outcome: Outcome): boolean {
  publication.answeredAt = Date.now();
  if ('lost' in outcome) {
    publication.fate = 'unknown';
    publication.words = outcome.lost;
    return true;
  }
  const { E: error, r: result } = outcome.answer;
  publication.words = error?.m ?? '';
  publication.fate = error === null ? 'yes' : (error.published ?? 'no');
  if (error === null && result !== undefined) publication.position = { epoch: result.epoch, offset: result.offset };
  return error !== null && passing.includes(error.c);
}

export function bodyOf({ channel, number, priority, conflation, isKeyed }: Publication): object {
  const payload = `${number} ${'弹幕 '.repeat(1 + (number % 12))}`;
  const isBinary = number % 16 === 0;
  return {
    c: channel,
    d: isBinary ? Buffer.from(payload).toString('base64') : payload,
    ...(isBinary ? { t: 'binary' } : {}),
    priority,
    ...(conflation === undefined ? {} : { conflateKey: conflation.key, conflate: conflation.mode }),
    ...(conflation?.mode === 'Sum' ? { count: conflation.count } : {}),
    ...(isKeyed ? { idempotencyKey: `chaos-${number}` } : {}),
  };
}

/** Where a publication is sent to, and what. */
export function requestOf(publication: Publication): { readonly path: string; readonly body: object } {
  const { channel, number, recalls } = publication;
  if (recalls === undefined) return { path: '/v1/mesh/publish', body: bodyOf(publication) };
  const [first] = recalls;
  const body = { epoch: first?.position.epoch, offsets: recalls.map(({ position }) => position.offset), idempotencyKey: `chaos-${number}` };
  return { path: `/v1/channels/${encodeURIComponent(channel)}/recall`, body };
}
