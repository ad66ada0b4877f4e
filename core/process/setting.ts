import type { ValueSchema } from './settings-values.ts';

/** One setting: an environment variable, the values that it accepts in words, and their reading. */
export interface Setting<T> {
  readonly variable: string;
  readonly fallback: string;
  /** Default of a process whose ports speak TLS, where it is another. */
  readonly fallbackWithTls?: string;
  readonly accepts: string;
  readonly meaning: string;
  /** Whether the value is secret: no message repeats it, not even about a wrong value. */
  readonly isSecret?: true;
  /** Whether spaces around the value are part of it. Otherwise they, and a file's line end, are removed. */
  readonly isVerbatim?: true;
  readonly schema: ValueSchema<T>;
}

/** Keeps the type of the value. */
export function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}
