import { BarrageError } from './errors.ts';
import { extraPlace, importExtra } from './extra-import.ts';
import type * as Extra from './extra.ts';

let loaded: typeof Extra | undefined;
let loading: Promise<typeof Extra> | undefined;
let failures = 0;

/**
 * Loads the extra part, once for all clients. Where that is done, `use` is called at once. A failed attempt is followed
 * by another one at the next call.
 * @param failed called with `unsupported` when it can't be had now
 */
export function withExtraPart(use: (extra: typeof Extra) => void, failed: (error: BarrageError) => void): void {
  if (loaded !== undefined) return use(loaded);
  loading ??= importExtra(failures).then(
    (extra) => (loaded = extra),
    (cause: unknown) => {
      failures++;
      loading = undefined;
      throw new BarrageError('unsupported', `${extraPlace} can't be loaded: ${String(cause)}`, true);
    },
  );
  void loading.then(use, failed);
}
