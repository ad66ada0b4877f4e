import type { Barrage } from '../barrage.ts';
import type { PublishOutcome } from '../replay/publish.ts';

/** Pause before a temporary refusal is tried again, in milliseconds. */
const againMs = 1_000;

/** `published` and `received` are milliseconds since the trial began. */
export type TrialResult =
  | { readonly kind: 'passed'; readonly publishedMs: number; readonly receivedMs: number }
  | { readonly kind: 'failed'; readonly reason: string };

export interface TrialParts {
  readonly client: Barrage;
  readonly channel: string;
  /** Tells this trial's publication from those of others. */
  readonly text: string;
  readonly publish: (payload: string, signal: AbortSignal) => Promise<PublishOutcome>;
  /** When the trial began, by `performance.now()`. */
  readonly beganAt: number;
  /** Ends the trial. */
  readonly signal: AbortSignal;
}

/**
 * Subscribes to a channel, publishes one message to it through the publish API, and waits for that message. A temporary
 * refusal and a server that can't be reached are tried again until the signal ends the trial.
 */
export async function runTrial({ client, channel, text, publish, beganAt, signal }: TrialParts): Promise<TrialResult> {
  const since = (): number => Math.round(performance.now() - beganAt);
  let trouble = 'the gateway has not answered';
  client.on('error', ({ message }) => (trouble = message));
  const late = new Promise<TrialResult>((resolve) => {
    signal.addEventListener('abort', () => resolve({ kind: 'failed', reason: `no message after ${since()} ms: ${trouble}` }), {
      once: true,
    });
  });
  const trial = async (): Promise<TrialResult> => {
    const subscription = client.subscribe(channel);
    const state = await settled(subscription);
    if (state instanceof Error) return { kind: 'failed', reason: `the gateway refused the subscription to ${channel}: ${state.message}` };
    const received = new Promise<void>((resolve) => {
      subscription.on('publication', ({ data }) => {
        if (data === text) resolve();
      });
    });
    trouble = 'the publisher has not answered';
    for (;;) {
      const outcome = await publish(text, signal);
      if (outcome.kind === 'refused') return { kind: 'failed', reason: `the publisher refused the message: ${outcome.reason}` };
      if (outcome.kind === 'published') break;
      trouble = `the publisher took no message: ${outcome.reason}`;
      if (signal.aborted) return late;
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
    const publishedMs = since();
    trouble = 'the publisher took the message, and the gateway has not delivered it';
    await received;
    return { kind: 'passed', publishedMs, receivedMs: since() };
  };
  return Promise.race([trial(), late]);
}

/** Waits until a subscription is in force, or has failed for good. */
function settled(subscription: ReturnType<Barrage['subscribe']>): Promise<'subscribed' | Error> {
  return new Promise((resolve) => {
    let reason = new Error('it ended');
    subscription.on('error', (error) => (reason = error));
    const look = (): void => {
      if (subscription.state === 'subscribed') resolve('subscribed');
      else if (subscription.state === 'failed' || subscription.state === 'unsubscribed') resolve(reason);
    };
    subscription.on('state', () => queueMicrotask(look));
    look();
  });
}
