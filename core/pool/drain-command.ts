import { z } from 'zod';
import { openEnvelope, sealEnvelope } from './signed-envelope.ts';

const target = {
  /** UID of the pod that the command is for. */
  gateway: z.string().min(1).max(128),
  /** Unix milliseconds by the operator's clock. A later command replaces an earlier one. */
  issuedAt: z.int().min(0),
};
const commandSchema = z.discriminatedUnion('command', [
  z.object({
    command: z.literal('drain'),
    ...target,
    connectionsPerSecond: z.int().min(1).max(100_000),
    /** Seconds from the gateway's start of the drain. */
    deadlineSeconds: z.int().min(1).max(86_400),
  }),
  z.object({ command: z.literal('abort-drain'), ...target }),
]);

/** The operator's command to one gateway: drain its connections, or abort the drain and go on serving. */
export type DrainCommand = Readonly<z.output<typeof commandSchema>>;

export type VerifiedCommand =
  | { readonly kind: 'verified'; readonly command: DrainCommand }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

/**
 * The signed envelope of a command.
 * @throws when the command breaks a bound, or the key is no Ed25519 private key in PEM
 */
export function signCommand(command: DrainCommand, privateKeyPem: string): string {
  return sealEnvelope(JSON.stringify(commandSchema.parse(command)), privateKeyPem);
}

/** Reads a signed command. */
export function verifyCommand(envelope: string, publicKeyPem: string): VerifiedCommand {
  const opened = openEnvelope(envelope, publicKeyPem);
  if (opened.kind !== 'opened') return opened;
  let value: unknown;
  try {
    value = JSON.parse(opened.text);
  } catch {
    return { kind: 'malformed', fault: 'the command is not JSON' };
  }
  const read = commandSchema.safeParse(value);
  return read.success
    ? { kind: 'verified', command: read.data }
    : {
        kind: 'malformed',
        fault: `not a drain command: ${read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
      };
}

/** Largest age of an abort, and of a drain past its deadline, in milliseconds. Anything older is a replay. */
const lateMsMax = 300_000;

/**
 * Decides whether to follow a command. `late` and `older` mean a recorded command that is sent again, or a clock that
 * is far off.
 */
export function decideCommand(
  command: DrainCommand,
  receiver: { readonly uid: string; readonly lastIssuedAt: number; readonly now: number },
): 'follow' | 'other' | 'older' | 'late' {
  if (command.gateway !== receiver.uid) return 'other';
  if (command.issuedAt < receiver.lastIssuedAt) return 'older';
  const lastsMs = command.command === 'drain' ? command.deadlineSeconds * 1000 : 0;
  return receiver.now - command.issuedAt > lastsMs + lateMsMax ? 'late' : 'follow';
}
