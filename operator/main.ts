import { runProcess } from '../core/process/lifecycle.ts';
import { systemClock } from '../core/process/system-clock.ts';
import { operatorJournal } from './kube/log-lines.ts';
import { Operator } from './operator.ts';

await runProcess('operator', {
  about: 'The Barrage operator: makes GatewayPool and BarrageChannel objects of a Kubernetes cluster into gateways and publishers.',
  start: (settings, logger) => {
    const kubeconfig = process.env['KUBECONFIG'];
    const inCluster = process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
    return Operator.start({
      settings,
      logger,
      source: kubeconfig !== undefined && kubeconfig !== '' ? { kubeconfig } : inCluster ? 'in-cluster' : undefined,
      onLost: (reason) => {
        // Another may lead already: whatever this process would still do, it must not.
        operatorJournal(logger, systemClock).write('lead-lost', { reason });
        process.exit(1);
      },
    });
  },
});
