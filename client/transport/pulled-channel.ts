import { backoffMs } from '../../core/backoff.ts';
import type { SubscribeResult, WirePosition } from '../../core/protocol/barrage-v1.ts';
import { defaultBackoff } from '../backoff.ts';
import type { ClientClock } from '../client-clock.ts';
import type { Received, ReceivedBatch } from '../wire.ts';
import { Follower, type Followed, type Head } from './follower.ts';
import { codeOf, withoutRecalled } from './pulled.ts';

/** The answer to one question of a channel. `failed`: there was none, or none that is any good. */
export type PullVerdict =
  | { readonly kind: 'head'; readonly head: Head<ReceivedBatch> }
  | { readonly kind: 'segment'; readonly batch: ReceivedBatch }
  | { readonly kind: 'refused'; readonly status: number; readonly document: unknown }
  | { readonly kind: 'failed' };

/**
 * Bounds of the wait after a question without a good answer, in milliseconds. A failing reader asks no more rarely than
 * one of a quiet channel.
 */
const failureBackoff = { ...defaultBackoff, capMs: 5_000, floorMs: 100 };

/** Asks for a document of the channel. Does not reject. */
export type PullQuestions = (path: string) => Promise<PullVerdict>;

export interface PulledChannelOptions {
  readonly channel: string;
  readonly since: WirePosition | undefined;
  readonly rewind: number | undefined;
  readonly questions: PullQuestions;
  readonly clock: ClientClock;
  readonly random: () => number;
  /** The first head was reached: what was missed follows as messages. */
  readonly onJoined: (result: SubscribeResult) => void;
  /** The channel can't be pulled. */
  readonly onRefused: (code: 'unsupported' | 'not_authenticated' | 'forbidden' | 'bad_request', message: string, retry: boolean) => void;
  readonly onMessage: (message: Extract<Received, { readonly type: 'batch' | 'gap' | 'epoch' }>) => void;
  /** The channel was pulled, and is refused now. */
  readonly onBroken: (why: string) => void;
}

type Joined = readonly [SubscribeResult, readonly Followed<ReceivedBatch>[]];

/** One subscription by pull: asks, waits as long as the gateway says, and tells what came as messages of barrage.v1. */
export class PulledChannel {
  readonly #options: PulledChannelOptions;
  readonly #follower: Follower<ReceivedBatch>;
  #beganAt = 0;
  #isJoined = false;
  #failures = 0;
  #isOver = false;
  #cancelTimer = (): void => {};

  constructor(options: PulledChannelOptions) {
    this.#options = options;
    const { since, rewind = 0 } = options;
    this.#follower = new Follower({ position: since, begin: ({ offset }) => (this.#beganAt = Math.max(0, offset - rewind)) });
  }

  /** Asks, again and again until `stop`. */
  go(): void {
    void this.#options.questions(this.#follower.path).then((verdict) => {
      if (!this.#isOver) this.#take(verdict);
    });
  }

  stop(): void {
    this.#isOver = true;
    this.#cancelTimer();
  }

  #take(verdict: PullVerdict): void {
    const { clock, random } = this.#options;
    const refused = verdict.kind === 'refused' ? codeOf(verdict.document) : undefined;
    if (verdict.kind === 'refused' && [400, 401, 403, 404].includes(verdict.status) && refused !== 'not_closed') {
      return this.#refuse(verdict.status, refused ?? '');
    }
    const told = this.#follower.take(
      verdict.kind === 'failed' || verdict.kind === 'refused' ? { kind: 'refused', code: refused ?? '' } : verdict,
    );
    this.#failures = verdict.kind === 'failed' ? this.#failures + 1 : 0;
    if (this.#isJoined) this.#tell(told);
    else if (this.#follower.hasReached) this.#join(told);
    if (this.#isOver) return;
    if (!this.#follower.waits) return this.go();
    const { waitMs } = this.#follower;
    const wait = this.#failures > 0 ? backoffMs(this.#failures - 1, failureBackoff, random) : waitMs * (1 + random() / 10);
    this.#cancelTimer = clock.after(wait, () => this.go());
  }

  #refuse(status: number, code: string): void {
    const { channel, onRefused, onBroken } = this.#options;
    this.stop();
    if (this.#isJoined) return onBroken(code || `HTTP status ${status}`);
    if (status === 401) return onRefused('not_authenticated', `${channel} needs a good token`, false);
    if (status === 403) return onRefused('forbidden', `${channel} is not this user's`, false);
    if (status === 400) return onRefused('bad_request', `${channel} is no channel's name`, false);
    const why = code === 'no_history' ? 'it keeps no history' : 'the gateway does not serve it so';
    return onRefused('unsupported', `${channel} can't be pulled, since ${why}: it comes with a WebSocket or SSE`, true);
  }

  #join(told: readonly Followed<ReceivedBatch>[]): void {
    this.#isJoined = true;
    const { since, onJoined } = this.#options;
    const end = this.#follower.position ?? { epoch: '', offset: 0 };
    const [result, rest] = since === undefined ? joined(told, end, this.#beganAt) : resumed(told, since);
    onJoined(result);
    this.#tell(rest);
  }

  #tell(told: readonly Followed<ReceivedBatch>[]): void {
    const { channel, onMessage } = this.#options;
    for (const step of withoutRecalled(told)) {
      // A listener may have ended it.
      if (this.#isOver) return;
      if (step.kind === 'batch') onMessage(step.batch);
      else if (step.kind === 'epoch') onMessage({ type: 'epoch', channel, epoch: step.epoch, before: step.before });
      else if (step.kind === 'gap')
        onMessage({ type: 'gap', channel, epoch: step.epoch, after: step.after, upto: step.upto, reason: 'bus' });
      // An empty batch there shows that something is missing before it.
      else onMessage({ type: 'batch', channel, epoch: step.to.epoch, after: step.to.offset, upto: step.to.offset, publications: [] });
    }
  }
}

/** Without a position nothing was promised: it begins at the offset that was wanted, or after the last gap. */
function joined(told: readonly Followed<ReceivedBatch>[], end: WirePosition, beganAt: number): Joined {
  const rest = told.slice(told.findLastIndex(({ kind }) => kind !== 'batch') + 1);
  const [first] = rest;
  return [first?.kind === 'batch' ? { epoch: end.epoch, offset: Math.max(beganAt, first.batch.after) } : end, rest];
}

/**
 * With a position everything goes on from there. The answer is in the epoch that is in force where that follows without
 * a loss, and at the new beginning where nothing connects the two.
 */
function resumed(told: readonly Followed<ReceivedBatch>[], since: WirePosition): Joined {
  let start = since;
  let at = 0;
  for (let step = told[at]; step?.kind === 'epoch' || step?.kind === 'leap'; step = told[++at]) {
    if (step.kind === 'leap') return [{ ...step.to, recovered: false }, told.slice(at + 1)];
    start = { epoch: step.epoch, offset: start.offset };
  }
  const rest = told.slice(at);
  return [{ ...start, recovered: rest.every(({ kind }) => kind === 'batch') }, rest];
}
