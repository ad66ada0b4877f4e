import type { Logger } from '../../core/process/logging.ts';
import { faultOf, type ObservedFault } from '../decide/fault.ts';
import { ApiError } from '../runtime/api-error.ts';

/** For how long a failure that may pass by itself is nobody's business, in milliseconds. */
const passingMs = 10_000;

/** The steps of one reconcile: one that fails is told of, and keeps none of the others from being tried. */
export class Attempts {
  readonly #signal: AbortSignal;
  readonly #logger: Logger;
  readonly #now: number;
  readonly #before: ReadonlyMap<string, number>;
  readonly #failing = new Map<string, number>();
  readonly #faults: ObservedFault[] = [];
  #passing: ApiError | undefined;

  /**
   * @param failing what the reconcile before has left in `failing`
   * @param now milliseconds of a clock that never goes back
   */
  constructor(options: {
    readonly signal: AbortSignal;
    readonly logger: Logger;
    readonly now: number;
    readonly failing: ReadonlyMap<string, number>;
  }) {
    this.#signal = options.signal;
    this.#logger = options.logger;
    this.#now = options.now;
    this.#before = options.failing;
  }

  /** What was refused, and what has failed for some time. */
  get faults(): readonly ObservedFault[] {
    return this.#faults;
  }

  /**
   * By subject: since when it has failed for a reason that may pass (a webhook that is down answers 500 for one kind of
   * object, for as long as it is).
   */
  get failing(): ReadonlyMap<string, number> {
    return this.#failing;
  }

  /** The first failure that may pass: the reconcile is to be tried again for it. */
  get passing(): ApiError | undefined {
    return this.#passing;
  }

  /** How much has gone wrong so far: it rises with every step that fails and every fault that is noted. */
  get troubles(): number {
    return this.#faults.length + this.#failing.size;
  }

  note(fault: ObservedFault): void {
    this.#faults.push(fault);
  }

  /**
   * Carries out a step. @returns what came of it; `failed` where the API server did not do it
   * @throws what is no answer of the API server: it is away, or this reconcile is to end
   */
  async run<T>(subject: string, carryOut: () => Promise<T>): Promise<T | 'failed'> {
    try {
      return await carryOut();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0 || this.#signal.aborted) throw error;
      if (error.isPassing) this.#fails(subject, error);
      else this.note(faultOf(subject, error.status, error.reason, error.message));
      this.#logger.warn({ subject, reason: error.reason, refusal: error.message }, 'the API server refused');
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
