import type { Tracer } from '../../core/trace.ts';
import type { Reconcile } from '../runtime/outcome.ts';

/** A reconcile as a trace of its own. Its requests to the API server become the trace's spans. */
export function tracedReconcile(tracer: Tracer, controller: string, reconcile: Reconcile): Reconcile {
  if (!tracer.isOn) return reconcile;
  return (key, signal) => {
    const [namespace = '', pool = ''] = key.split('/');
    const attributes = { 'barrage.controller': controller, 'k8s.namespace.name': namespace, 'barrage.pool': pool };
    return tracer.within('reconcile', { attributes, isRoot: true }, async (span) => {
      const outcome = await reconcile(key, signal);
      span?.set({ 'barrage.result': outcome.kind });
      return outcome;
    });
  };
}
