import { faultOf, type ObservedFault } from '../decide/fault.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import { ApiError } from '../runtime/api-error.ts';

/** How long a passing failure is tolerated before it becomes a fault, in milliseconds. */
const passingMs = 10_000;
/** Milliseconds until a refused step is tried again, where nothing else asks for it. */
export const faultRetryMs = 10_000;

/** The steps of one reconcile. A failed step is noted, and the other steps still run. */
export class Attempts {
  readonly #signal: AbortSignal;
  readonly #pool: { readonly namespace: string; readonly name: string };
  readonly #journal: OperatorJournal;
  readonly #now: number;
  readonly #before: ReadonlyMap<string, number>;
  readonly #failing = new Map<string, number>();
  readonly #faults: ObservedFault[] = [];
  #passing: ApiError | undefined;

  /**
   * @param failing the `failing` of the previous reconcile
   * @param now monotonic milliseconds
   */
  constructor(options: {
    readonly signal: AbortSignal;
    readonly pool: { readonly namespace: string; readonly name: string };
    readonly journal: OperatorJournal;
    readonly now: number;
    readonly failing: ReadonlyMap<string, number>;
  }) {
    this.#signal = options.signal;
    this.#pool = options.pool;
    this.#journal = options.journal;
    this.#now = options.now;
    this.#before = options.failing;
  }

  /** Refusals, and passing failures that have lasted longer than `passingMs`. */
  get faults(): readonly ObservedFault[] {
    return this.#faults;
  }

  /**
   * For each subject with a passing failure: when the failures began, in monotonic milliseconds. Example: an admission
   * webhook that is down answers 500 for one kind of object.
   */
  get failing(): ReadonlyMap<string, number> {
    return this.#failing;
  }

  /** The first passing failure. The reconcile is tried again because of it. */
  get passing(): ApiError | undefined {
    return this.#passing;
  }

  /** Number of failed steps and noted faults so far. A caller compares two readings. */
  get troubles(): number {
    return this.#faults.length + this.#failing.size;
  }

  note(fault: ObservedFault): void {
    this.#faults.push(fault);
  }

  /**
   * Carries out a step.
   * @returns the step's result; `failed` where the API server refused
   * @throws errors without an answer of the API server: it is away, or this reconcile has to end
   */
  async run<T>(subject: string, carryOut: () => Promise<T>): Promise<T | 'failed'> {
    try {
      return await carryOut();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || this.#signal.aborted) throw error;
      if (error.isPassing) this.#fails(subject, error);
      else this.note(faultOf(error.subject ?? subject, error.status, error.reason, error.message));
      const { namespace, name: pool } = this.#pool;
      const fields = { namespace, pool, subject: error.subject ?? subject, status: error.status };
      this.#journal.writeTrouble('request-refused', `${namespace}/${pool} ${fields.subject}`, error, fields);
      return 'failed';
    }
  }

  #fails(subject: string, error: ApiError): void {
    const since = this.#failing.get(subject) ?? this.#before.get(subject) ?? this.#now;
    this.#failing.set(subject, since);
    this.#passing ??= error;
    if (this.#now - since >= passingMs) this.note(faultOf(subject, error.status, error.reason, error.message));
  }
}
