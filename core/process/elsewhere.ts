import { Worker } from 'node:worker_threads';

const deadlineMs = 10_000;
const megabytesMax = 256;

/** What came of work elsewhere. `isPassing`: the same input may be read at another time. */
export type Elsewhere<Output> =
  | { readonly kind: 'done'; readonly output: Output }
  | { readonly kind: 'failed'; readonly fault: string; readonly isPassing?: boolean };

/**
 * Runs a worker script on an input, so that long work does not hold up the event loop. Resolves with the first message
 * that it posts. `fault` says in words why there is none: more than 10 s, more memory than any honest input needs, an
 * abort by `signal`, or no thread. Never rejects.
 */
export function runElsewhere<Output>(script: URL, input: unknown, signal?: AbortSignal): Promise<Elsewhere<Output>> {
  return new Promise((resolve) => {
    let worker: Worker;
    try {
      worker = new Worker(script, { workerData: input, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: megabytesMax } });
    } catch (error) {
      // A pod at its bound of processes and threads gets none; what runs goes on.
      return resolve({ kind: 'failed', fault: `no thread can be had to read it: ${String(error)}`, isPassing: true });
    }
    const end = (result: Elsewhere<Output>): void => {
      clearTimeout(deadline);
      signal?.removeEventListener('abort', giveUp);
      void worker.terminate();
      resolve(result);
    };
    const fail = (fault: string): void => end({ kind: 'failed', fault });
    const giveUp = (): void => fail('reading it was given up');
    const deadline = setTimeout(() => fail(`it takes more than ${deadlineMs / 1000} s to read`), deadlineMs);
    signal?.addEventListener('abort', giveUp);
    worker.on('message', (output: Output) => end({ kind: 'done', output }));
    worker.on('error', (error) => fail(`it can't be read: ${error instanceof Error ? error.message : String(error)}`));
    worker.on('exit', giveUp);
  });
}
