/** Exit statuses of every command. `docs/kubectl.md` lists them. */
export const exitStatuses = {
  done: 0,
  /** The work failed for another reason than those below. */
  failed: 1,
  /** The command line is wrong, or a confirmation is missing. Nothing was done. */
  usage: 2,
  /** The pool, gateway or channel does not exist. */
  missing: 3,
  /** A right or a key is missing, a limit refuses the request, or a pod's certificate is not trusted. */
  refused: 4,
  /** The API server, a pod or a URL does not answer. */
  unreachable: 5,
  interrupted: 130,
} as const;

export type FaultKind = Exclude<keyof typeof exitStatuses, 'done' | 'interrupted'>;

/** A command that can't do its work. The message names the cause and the remedy. */
export class CommandFault extends Error {
  override readonly name = 'CommandFault';
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.kind = kind;
  }
}

/** The words of any error. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0) return wordsOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message === '' ? (code ?? error.name) : error.message;
}
