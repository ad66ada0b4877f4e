import { z } from 'zod';
import { openEnvelope, sealEnvelope } from './signed-envelope.ts';

const target = {
  /** UID of the pod that it is for. */
  gateway: z.string().min(1).max(128),
  /** Milliseconds since the Unix epoch, by the operator's clock; a later command replaces an earlier one. */
  issuedAt: z.int().min(0),
};
const commandSchema = z.discriminatedUnion('command', [
  z.object({
    command: z.literal('drain'),
    ...target,
    connectionsPerSecond: z.int().min(1).max(100_000),
    /** From the moment when the gateway begins. */
    deadlineSeconds: z.int().min(1).max(86_400),
  }),
  z.object({ command: z.literal('abort-drain'), ...target }),
]);

/** What the operator tells one gateway: to give up its connections, or to go on serving after all. */
export type DrainCommand = Readonly<z.output<typeof commandSchema>>;

export type VerifiedCommand =
  | { readonly kind: 'verified'; readonly command: DrainCommand }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

/**
 * The signed envelope of a command.
 * @throws where the command breaks a bound, or the key is no Ed25519 private key in PEM
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

/**
 * An abort that comes this much later than it was issued is a replay, as is a drain that comes this long after its
 * deadline; in milliseconds.
 */
const lateMsMax = 300_000;

/**
 * Whether a command is to be followed. `late` and `older` are what somebody recorded and sends again, or a clock that
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
