import type { Account, Published } from '../outage/account.ts';
import type { Answered, Answers, Asked, Census, CrowdAccount, Question, Return } from './questions.ts';
import { PlainSpectator, SdkSpectator, type ClientPlan, type Spectator } from './spectator.ts';

/** A process of clients. It does what the test asks over the channel of `fork`, and ends with that channel. */
const spectators: Spectator[] = [];

/** Interval at which due clients are opened, in milliseconds. */
const openEveryMs = 20;

async function open({ plans, perSecond }: Question & { readonly kind: 'open' }): Promise<number> {
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    let opened = 0;
    const timer = setInterval(() => {
      const due = Math.min(plans.length, Math.ceil(((performance.now() - startedAt) * perSecond) / 1000));
      // A process that stood still does not make up for it at once: the gateway's budget of accepts would refuse.
      const now = Math.min(due, opened + Math.ceil((2 * openEveryMs * perSecond) / 1000));
      while (opened < now) spectators.push(spectatorFor(plans[opened++]!));
      if (opened < plans.length) return;
      clearInterval(timer);
      resolve();
    }, openEveryMs);
  });
  return spectators.length;
}

function spectatorFor(plan: ClientPlan): Spectator {
  return plan.kind === 'plain' ? new PlainSpectator(plan) : new SdkSpectator(plan);
}

function census(): Census {
  return {
    clients: spectators.length,
    subscribed: count(({ isSubscribed }) => isSubscribed),
    absences: spectators.reduce((sum, { absences }) => sum + absences.length, 0),
    away: count(({ isBack }) => !isBack),
    heardLeast: Math.min(...spectators.map(({ heard }) => heard)),
  };
}

function count(holds: (spectator: Spectator) => boolean): number {
  return spectators.filter(holds).length;
}

function account(published: readonly Published[]): CrowdAccount {
  const byChannel = Map.groupBy(published, ({ channel }) => channel);
  const accounts = spectators.flatMap((spectator) => spectator.accounts(byChannel));
  const sum = (of: (each: Account) => number): number => accounts.reduce((total, each) => total + of(each), 0);
  return {
    received: sum(({ received }) => received),
    twice: sum(({ twice }) => twice.length),
    refused: sum(({ refused }) => refused.length),
    disordered: sum(({ disordered }) => disordered.length),
    untold: sum(({ untold }) => untold.length),
    missed: sum(({ missed }) => missed.length),
    leftOut: sum(({ leftOut }) => leftOut.length),
    gaps: spectators.reduce((total, { gaps }) => total + gaps.length, 0),
    examples: spectators.flatMap((spectator) => [...spectator.gaps, ...spectator.lacks(byChannel)]).slice(0, 5),
  };
}

function returns(published: readonly Published[]): readonly Return[] {
  const byChannel = Map.groupBy(published, ({ channel }) => channel);
  return spectators.flatMap((spectator) => {
    const last = spectator.absences.at(-1);
    const caughtUpAt = spectator.caughtUpAt(byChannel);
    return last?.backAt === undefined || caughtUpAt === undefined ? [] : [{ lostAt: last.lostAt, backAt: last.backAt, caughtUpAt }];
  });
}

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case 'open':
      return await open(question);
    case 'census':
      return census();
    case 'account':
      return account(question.published);
    case 'returns':
      return returns(question.published);
    case 'delays': {
      const byNumber = new Map(question.published.map((each) => [each.number, each]));
      return spectators.flatMap((spectator) => spectator.delays(byNumber));
    }
    case 'close':
      for (const spectator of spectators.splice(0)) spectator.close();
      return 0;
  }
}

process.on('message', ({ id, question }: Asked) => {
  void answer(question).then((found) => process.send?.({ id, answer: found } satisfies Answered));
});
process.on('disconnect', () => process.exit());
