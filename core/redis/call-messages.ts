import { z } from 'zod';
import type { GatewayReply, GatewayRequest } from '../bus/bus.ts';
import { gatewayNumberMax } from '../client-id.ts';
import { limits } from '../limits.ts';

/** Largest message of this lane, in bytes: a payload as base64 with its request. */
const messageBytesMax = 2 * limits.payloadBytesMax;

const channel = z.string().min(1).max(limits.channelNameBytesMax);
const channels = z.array(channel).max(limits.subscriptionsPerConnectionMax);
const client = z.int().min(1);
const count = z.int().min(0);
const token = z.string().regex(/^[0-9A-Za-z]{1,64}$/);
const gatewayNumber = z.int().min(1).max(gatewayNumberMax);

const connectionCall = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('subscribe'), channels }),
  z.object({ kind: z.literal('unsubscribe'), channels }),
  z.object({ kind: z.literal('set-context'), context: z.record(z.string(), z.unknown()) }),
  z.object({ kind: z.literal('set-context-value'), key: z.string(), value: z.unknown() }),
  z.object({ kind: z.literal('reconnect'), transport: z.enum(['websocket', 'sse', 'pull']) }),
  z.object({ kind: z.literal('close'), reason: z.string() }),
]);

const request: z.ZodType<GatewayRequest> = z.discriminatedUnion('method', [
  z.object({ method: z.literal('send'), client, kind: z.enum(['text', 'binary']), payload: z.string() }),
  z.object({ method: z.literal('call'), client, call: connectionCall }),
  z.object({
    method: z.literal('stream'),
    client,
    secret: z.string().max(limits.streamSecretCharactersMax),
    commands: z.array(z.string()).max(limits.streamCommandsMax),
  }),
  z.object({ method: z.literal('delivered'), channel, epoch: z.string(), offset: count }),
]);

const reply: z.ZodType<GatewayReply> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
  z.object({ kind: z.literal('delivered'), delivered: count, dropped: z.record(z.string(), count), pending: count }),
]);

/** A message to a gateway: answer a request, or send a snapshot of all changes after report `since`. */
export type GatewayMessage =
  | {
      readonly kind: 'request';
      readonly id: number;
      /** Token of the asking process. */
      readonly replyTo: string;
      readonly deadlineMs: number;
      readonly request: GatewayRequest;
    }
  | { readonly kind: 'report'; readonly replyTo: string; readonly since: number };

export const gatewayMessage: z.ZodType<GatewayMessage> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('request'), id: count, replyTo: token, deadlineMs: z.number().min(0).max(600_000), request }),
  z.object({ kind: z.literal('report'), replyTo: token, since: count }),
]);

export interface ReplyMessage {
  readonly id: number;
  readonly gateway: number;
  readonly reply: GatewayReply;
}

export const replyMessage: z.ZodType<ReplyMessage> = z.object({ id: count, gateway: gatewayNumber, reply });

/** Reads a message of this lane. A message of another form is a fault in words. */
export function readMessage<T>(
  schema: z.ZodType<T>,
  bytes: Buffer,
): { readonly kind: 'message'; readonly message: T } | { readonly kind: 'fault'; readonly fault: string } {
  if (bytes.length > messageBytesMax) return { kind: 'fault', fault: `${bytes.length} bytes in one message` };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return { kind: 'fault', fault: 'not JSON' };
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { kind: 'message', message: parsed.data } : { kind: 'fault', fault: z.prettifyError(parsed.error) };
}
