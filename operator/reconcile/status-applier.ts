import type { OperatorJournal } from '../kube/log-lines.ts';
import type { Recorder } from '../kube/recorder.ts';
import { ApiError } from '../runtime/api-error.ts';
import { regarding, type KubeApi, type KubeObject, type Resource } from '../runtime/kube-api.ts';

/** A status to write, and its object as the store has it. */
export interface StatusWrite {
  readonly resource: Resource;
  readonly object: KubeObject;
  readonly status: object;
  /** The status in one sentence, for the event that stands in for a refused status. */
  readonly summary: string;
}

/**
 * Writes statuses. An object of an older definition may hold a value that the API server refuses to store again. An
 * event then carries the status' summary, and nothing is tried again until the object changes.
 */
export class StatusApplier {
  readonly #api: KubeApi;
  readonly #recorder: Recorder;
  readonly #journal: OperatorJournal;
  readonly #refused = new WeakSet<KubeObject>();

  constructor(options: { readonly api: KubeApi; readonly recorder: Recorder; readonly journal: OperatorJournal }) {
    this.#api = options.api;
    this.#recorder = options.recorder;
    this.#journal = options.journal;
  }

  /** @throws ApiError where the write failed and another attempt may help */
  async apply({ resource, object, status, summary }: StatusWrite, signal: AbortSignal): Promise<void> {
    if (this.#refused.has(object)) return;
    const { namespace, name } = object.metadata;
    try {
      await this.#api.applyStatus(resource, { metadata: { namespace, name }, status } as KubeObject, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 422 && error.status !== 400)) throw error;
      this.#refused.add(object);
      this.#journal.writeTrouble('status-refused', `${resource.kind} ${namespace}/${name}`, error, {
        kind: resource.kind,
        namespace,
        name,
      });
      const note = `${summary} The API server refused this status: ${error.message}`;
      const about = regarding(resource, object);
      this.#recorder.record({ regarding: about, type: 'Warning', reason: 'StatusRefused', action: 'StatusRefused', note });
    }
  }
}
