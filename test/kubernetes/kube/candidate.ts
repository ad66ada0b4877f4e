import { setInterval } from 'node:timers';
import { Registry } from 'prom-client';
import { ClientMetrics } from '../../../operator/kube/client-metrics.ts';
import { KubeConnection } from '../../../operator/kube/connection.ts';
import { LeaderElection } from '../../../operator/kube/leader-election.ts';
import { systemClock } from '../../../core/process/system-clock.ts';
import type { ElectionTimes } from '../../../operator/runtime/election.ts';
import { silentJournal } from '../../support/silent-journal.ts';

/** A candidate in a process of its own: says `elected`, `leads` in each turn in which it does, and `lost`. */
const [kubeconfig = '', namespace = '', identity = '', times = ''] = process.argv.slice(2);

const election = new LeaderElection({
  connection: new KubeConnection({ kubeconfig }),
  lease: { namespace, name: 'operator' },
  candidate: { identity },
  clock: systemClock,
  random: Math.random,
  journal: silentJournal,
  metrics: new ClientMetrics(new Registry()),
  times: JSON.parse(times) as ElectionTimes,
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
setInterval(() => election.isLeader && say('leads'), 20);
void election.lost.then((reason) => say(`lost: ${reason}`));
void election.elected.then(() => say('elected'));
election.start();
