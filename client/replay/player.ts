import type { Clock } from '../../core/clock.ts';
import { counted } from '../../core/counted.ts';
import { payloadOf, type Comment } from './comments.ts';
import type { PublishOutcome } from './publish.ts';

/** The progress of a replay. */
export interface Progress {
  readonly published: number;
  readonly total: number;
  /** Failed attempts; most of them were repeated with success. */
  readonly failures: number;
  /** Viewers that the last publication reached. */
  readonly viewers: number;
  /** Offset of the last publication; `undefined` before the first. */
  readonly offset: number | undefined;
  readonly elapsedMs: number;
  /** Delay of the last publication behind its time, in milliseconds. */
  readonly behindMs: number;
}

export type PlayEnd =
  | { readonly kind: 'finished'; readonly progress: Progress }
  | { readonly kind: 'stopped'; readonly progress: Progress }
  | { readonly kind: 'failed'; readonly progress: Progress; readonly reason: string };

export interface PlayOptions {
  readonly fromSeconds: number;
  readonly speed: number;
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly publish: (payload: string, signal: AbortSignal) => Promise<PublishOutcome>;
  readonly onProgress: (progress: Progress) => void;
}

/** Most attempts for one comment. */
const attemptsMax = 5;
const unreachableMs = 500;

/** The comments from a second of the video on. */
export function dueFrom(comments: readonly Comment[], fromSeconds: number): readonly Comment[] {
  return comments.filter(({ atSeconds }) => atSeconds >= fromSeconds);
}

/**
 * Publishes comments one after the other, each at its time. Only one is in flight, since only that keeps their order.
 * When the publisher is slower than the file, the replay falls behind and says so. It never skips a comment.
 */
export async function play(comments: readonly Comment[], options: PlayOptions): Promise<PlayEnd> {
  const { signal, clock, fromSeconds, speed } = options;
  const due = dueFrom(comments, fromSeconds);
  const startedAt = clock.monotonic();
  let progress: Progress = { published: 0, total: due.length, failures: 0, viewers: 0, offset: undefined, elapsedMs: 0, behindMs: 0 };
  for (const comment of due) {
    const dueMs = ((comment.atSeconds - fromSeconds) * 1000) / speed;
    const early = dueMs - (clock.monotonic() - startedAt);
    if (early > 0) await sleep(early, options);
    if (signal.aborted) return { kind: 'stopped', progress };
    const result = await publishOne(comment, options, progress.published === 0);
    const elapsedMs = clock.monotonic() - startedAt;
    progress = { ...progress, failures: progress.failures + result.failures, elapsedMs };
    if (signal.aborted && result.viewers === undefined) return { kind: 'stopped', progress };
    if (result.viewers === undefined) return { kind: 'failed', progress, reason: result.reason };
    const { viewers, offset } = result;
    progress = { ...progress, published: progress.published + 1, viewers, offset, behindMs: Math.max(0, elapsedMs - dueMs) };
    options.onProgress(progress);
  }
  return { kind: 'finished', progress };
}

type Attempt =
  | { readonly viewers: number; readonly offset: number | undefined; readonly failures: number }
  | { readonly viewers: undefined; readonly failures: number; readonly reason: string };

/**
 * Publishes a comment, with repetitions while they may help. The very first is not repeated when no publisher answers,
 * so that a wrong address is reported at once.
 */
async function publishOne(comment: Comment, options: PlayOptions, first: boolean): Promise<Attempt> {
  const { publish, signal } = options;
  const payload = payloadOf(comment);
  for (let failures = 0; ;) {
    const outcome = await publish(payload, signal);
    if (outcome.kind === 'published') return { viewers: outcome.viewers, offset: outcome.offset, failures };
    failures++;
    const { reason } = outcome;
    if (outcome.kind === 'refused') return { viewers: undefined, failures, reason: `the publisher refused it: ${reason}` };
    if (outcome.kind === 'unreachable' && first)
      return { viewers: undefined, failures, reason: `the publisher can't be reached: ${reason}` };
    if (failures === attemptsMax) return { viewers: undefined, failures, reason: `still failing after ${attemptsMax} attempts: ${reason}` };
    const afterMs = outcome.kind === 'later' ? outcome.afterMs : unreachableMs * failures;
    await sleep(afterMs, options);
    if (signal.aborted) return { viewers: undefined, failures, reason };
  }
}

/** Resolves after `ms` milliseconds, or when the replay is stopped. */
function sleep(ms: number, { clock, signal }: Pick<PlayOptions, 'clock' | 'signal'>): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end);
  });
}

/** One line for a person. */
export function progressLine({ published, total, failures, viewers, elapsedMs, behindMs }: Omit<Progress, 'offset'>): string {
  const percent = total === 0 ? 100 : Math.floor((published * 100) / total);
  const rate = elapsedMs > 0 ? (published * 1000) / elapsedMs : 0;
  const behind = behindMs >= 1000 ? `, ${(behindMs / 1000).toFixed(1)} s behind` : '';
  return `${published}/${total} (${percent} %), ${rate.toFixed(1)}/s, ${counted(viewers, 'viewer')} reached, ${counted(failures, 'error')}${behind}`;
}
