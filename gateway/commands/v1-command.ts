import { z } from 'zod';
import { channelNameFault } from '../../core/channel.ts';
import { keyFault } from '../../core/idempotency-key.ts';
import { issueWords } from '../../core/issue-words.ts';
import { parseJsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Command, CommandError } from '../../core/protocol/barrage-v1.ts';
import { traceparentCharactersMax } from '../../core/traceparent.ts';
import { densityMin } from '../merging/density.ts';

const id = z.int().min(0);
const channel = z.string().superRefine((name, context) => {
  const fault = channelNameFault(name);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});
const density = z.number().min(densityMin).max(1_000_000);
const since = z.strictObject({ epoch: z.string().min(1).max(64), offset: z.int().min(0) });
// Frames hold UTF-8, in which a lone surrogate has no place: it would arrive as another character.
const wellFormed = z.string().refine((text) => text.isWellFormed(), 'not well-formed Unicode (a lone surrogate)');
const key = wellFormed
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= limits.conflateKeyBytesMax, `longer than ${limits.conflateKeyBytesMax} bytes`);

const idempotencyKey = z.string().superRefine((text, context) => {
  const message = keyFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const commands = {
  auth: z.strictObject({ id, op: z.literal('auth'), token: z.string().max(16_384) }),
  subscribe: z
    .strictObject({
      id,
      op: z.literal('subscribe'),
      channel,
      density: density.optional(),
      since: since.optional(),
      rewind: z.int().min(1).max(limits.historyPublicationsMax).optional(),
    })
    .superRefine((command, context) => {
      if (command.since !== undefined && command.rewind !== undefined)
        context.addIssue({
          code: 'custom',
          path: ['rewind'],
          message: 'not together with since: a client with a position goes on from it',
        });
    }),
  unsubscribe: z.strictObject({ id, op: z.literal('unsubscribe'), channel }),
  density: z.strictObject({ id, op: z.literal('density'), channel, density: density.optional() }),
  publish: z
    .strictObject({
      id,
      op: z.literal('publish'),
      channel,
      data: wellFormed,
      kind: z.enum(['text', 'binary']).optional(),
      ttlMs: z.int().min(1).max(limits.ttlMsMax).optional(),
      conflateKey: key.optional(),
      conflate: z.enum(['Latest', 'Sum']).optional(),
      count: z.int().min(1).max(1000).optional(),
      idempotencyKey: idempotencyKey.optional(),
      traceparent: z.string().max(traceparentCharactersMax).optional(),
    })
    .superRefine(({ conflateKey, conflate, count }, context) => {
      const needs = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message });
      if (conflate !== undefined && conflateKey === undefined) needs('conflate', 'needs conflateKey');
      if (count !== undefined && conflate !== 'Sum') needs('count', 'needs conflate "Sum"');
    }),
  counts: z.strictObject({ id, op: z.literal('counts'), channel }),
  ping: z.strictObject({ id, op: z.literal('ping') }),
} satisfies Record<Command['op'], z.ZodType<Command>>;

export type ParsedCommand =
  | { readonly kind: 'command'; readonly command: Command }
  /** A wrong command with an id, so it can be answered. */
  | { readonly kind: 'error'; readonly id: number; readonly error: CommandError }
  /**
   * No command of this protocol, and no id to answer. `reason` tells the fault and the right form, for a close frame.
   */
  | { readonly kind: 'garbage'; readonly reason: string };

const form = 'send {"id":1,"op":"ping"}';

/** Reads one text message of a barrage.v1 client. Never throws. */
export function parseCommand(text: string): ParsedCommand {
  const parsed = parseJsonObject(text);
  if (parsed.kind === 'fault') return { kind: 'garbage', reason: `${parsed.message}: ${form}` };
  const given = parsed.value['id'];
  if (given === undefined) return { kind: 'garbage', reason: `id is missing: every command has one, ${form}` };
  if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < 0)
    return { kind: 'garbage', reason: `id must be a whole number from 0 to 2^53-1: ${form}` };
  const op = parsed.value['op'];
  if (typeof op !== 'string' || !Object.hasOwn(commands, op)) {
    return {
      kind: 'error',
      id: given,
      error: { code: 'unknown_op', message: `op must be one of ${Object.keys(commands).join(', ')}`, retry: false },
    };
  }
  const result = commands[op as Command['op']].safeParse(parsed.value, { error: issueWords });
  if (result.success) return { kind: 'command', command: result.data };
  const message = result.error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ');
  return { kind: 'error', id: given, error: { code: 'bad_request', message: message.slice(0, 500), retry: false } };
}
