import type { Command } from '../core/protocol/barrage-v1.ts';
import type { BarrageError } from './errors.ts';

/** A command without its id. */
export type CommandBody = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never;

/** Called once with the outcome of a command: an error, or else the result. */
export type Settle = (error: BarrageError | undefined, result: object) => void;
