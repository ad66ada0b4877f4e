import type { Command } from '../core/protocol/barrage-v1.ts';
import type { BarrageError } from './errors.ts';

/** A command without its id. */
export type CommandBody = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never;

/** The outcome of a command. */
export type Outcome = { readonly kind: 'result'; readonly result: object } | { readonly kind: 'error'; readonly error: BarrageError };

/** Called once with the outcome of a command. */
export type Settle = (outcome: Outcome) => void;
