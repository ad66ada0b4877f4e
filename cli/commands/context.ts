import { setTimeout as pause } from 'node:timers/promises';
import { CommandFault } from '../fault.ts';
import type { ClusterPlace } from '../places/cluster-place.ts';
import type { Secret, UrlPlace } from '../places/url-place.ts';
import type { Terminal } from '../terminal.ts';
import { documentText, type OutputFormat } from '../view/document.ts';
import type { Line } from '../view/table.ts';

/** What every command has. */
export interface Context {
  readonly place: ClusterPlace | UrlPlace;
  readonly terminal: Terminal;
  readonly output: OutputFormat;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** The publisher's key, where one is given. */
  readonly key: Secret | undefined;
  /** The client's token, where one is given. */
  readonly token: Secret | undefined;
}

/** The result of a command, in the form that was asked for. */
export async function show({ terminal, output }: Context, value: unknown, lines: () => readonly Line[]): Promise<void> {
  if (output === 'text') await terminal.lines(lines());
  else await terminal.write(documentText(value, output));
}

/** Waits. @throws Interrupted where the user interrupts */
export async function wait({ terminal }: Pick<Context, 'terminal'>, milliseconds: number): Promise<void> {
  try {
    await pause(milliseconds, undefined, { signal: terminal.signal });
  } catch (error) {
    throw new Interrupted({ cause: error });
  }
}

/** The user has interrupted the command. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(options: { readonly cause?: unknown } = {}) {
    super('interrupted', options);
  }
}

/** A whole number of an option. @throws CommandFault `usage` */
export function wholeNumber(option: string, text: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new CommandFault('usage', `${option} ${text} is no whole number from ${least} to ${most}`);
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration such as `30s`, `10m` or `2h`. @throws CommandFault `usage` */
export function seconds(option: string, text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const value = Number(match?.[1]) * (secondsOf[match?.[2] ?? ''] ?? NaN);
  if (value > 0) return value;
  throw new CommandFault('usage', `${option} ${text} is no duration such as 30s, 10m, 2h or 1d`);
}
