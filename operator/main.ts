import { runProcess } from '../core/process/lifecycle.ts';
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
        logger.fatal({ reason }, 'this operator has lost the lead: it ends');
        process.exit(1);
      },
    });
  },
});
