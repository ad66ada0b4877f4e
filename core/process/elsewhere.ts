import { Worker } from 'node:worker_threads';

const deadlineMs = 10_000;
const megabytesMax = 256;

/**
 * Runs a worker script on an input, so that long work does not hold up the event loop. Resolves with the first message
 * that it posts. `fault` says in words why there is none: more than 10 s, more memory than any honest input needs, or
 * an abort by `signal`.
 */
export function runElsewhere<Output>(
  script: URL,
  input: unknown,
  signal?: AbortSignal,
): Promise<{ readonly kind: 'done'; readonly output: Output } | { readonly kind: 'failed'; readonly fault: string }> {
  return new Promise((resolve) => {
    const worker = new Worker(script, { workerData: input, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: megabytesMax } });
    const end = (
      result: { readonly kind: 'done'; readonly output: Output } | { readonly kind: 'failed'; readonly fault: string },
    ): void => {
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
