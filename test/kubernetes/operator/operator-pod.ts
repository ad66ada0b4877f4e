import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { OperatorProcess, type OperatedCluster } from './operated-cluster.ts';

/** A kubelet's back-off begins with none and goes on with ten seconds; here it begins with those. */
const firstBackoffMs = 10_000;

/**
 * A pod with an operator, as its kubelet keeps it: when the process ends another is begun, each time after twice the
 * wait. It ends with the test.
 */
export class OperatorPod {
  readonly proxy: FaultProxy;
  readonly #begin: () => OperatorProcess;
  readonly #leaving = new AbortController();
  readonly #kept: Promise<void>;
  #process: OperatorProcess;
  #starts = 1;

  static async start(operated: OperatedCluster, options: { readonly name: string; readonly lease: string }): Promise<OperatorPod> {
    const proxy = await FaultProxy.start(operated.cluster.kubeconfig);
    const told = { ...options, adminPort: operated.pods.port, podUid: randomUUID() };
    const pod = new OperatorPod(proxy, () => new OperatorProcess(proxy, told));
    onTestFinished(() => pod.#end());
    return pod;
  }

  private constructor(proxy: FaultProxy, begin: () => OperatorProcess) {
    this.proxy = proxy;
    this.#begin = begin;
    this.#process = begin();
    this.#kept = this.#keep();
  }

  /** Processes so far. */
  get starts(): number {
    return this.#starts;
  }

  get process(): OperatorProcess {
    return this.#process;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#leaving;
    const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    for (let backoffMs = firstBackoffMs; ; backoffMs *= 2) {
      await Promise.race([this.#process.ended, left]);
      if (!signal.aborted) await pause(backoffMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#process = this.#begin();
      this.#starts += 1;
    }
  }

  async #end(): Promise<void> {
    this.#leaving.abort();
    await this.#kept;
    await this.#process.kill();
  }
}
