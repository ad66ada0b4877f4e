import { channelNameFault, parsePlainChannel, type PlainChannel } from '../../core/channel.ts';
import { parseJsonObject } from '../../core/json.ts';

export type PlainCommand =
  | { readonly kind: 'auth'; readonly token: string }
  | {
      /** `other`: an op that this protocol does not know. */
      readonly kind: 'subscribe' | 'unsubscribe' | 'other';
      readonly channel: Exclude<PlainChannel, { kind: 'invalid' }>;
    }
  /** No command of the plain protocol. `reason` tells the fault and the right form, for a close frame. */
  | {
      readonly kind: 'bad';
      readonly reason: string;
      /** The reason for the log, where `reason` quotes the client. */
      readonly logged?: string;
    };

const form = '{"op":"subscribe","channel":"100001@video"}';

/** Reads one text message of a client of the plain protocol. Never throws. */
export function parsePlainCommand(text: string): PlainCommand {
  const parsed = parseJsonObject(text);
  if (parsed.kind === 'fault') return bad(`${parsed.message}: send ${form}`);
  const { op, token, channel } = parsed.value;
  if (typeof op !== 'string') return bad(`op ${wrong(op)}: send ${form}`);
  if (op === 'auth')
    return typeof token === 'string' ? { kind: 'auth', token } : bad(`token ${wrong(token)}: send {"op":"auth","token":"…"}`);
  if (typeof channel !== 'string') return bad(`channel ${wrong(channel)}: send ${form}`);
  const named = parsePlainChannel(channel);
  if (named.kind === 'invalid') return { ...bad(`channel: ${channelFault(channel)}`), logged: 'the channel is not named KEY@TYPE' };
  return { kind: op === 'subscribe' || op === 'unsubscribe' ? op : 'other', channel: named };
}

function bad(reason: string): Extract<PlainCommand, { kind: 'bad' }> {
  return { kind: 'bad', reason };
}

function wrong(value: unknown): string {
  return value === undefined ? 'is missing' : 'must be a string';
}

/**
 * The usual mistake is a name in the form of barrage.v1 and backends. The right form comes first in the reason, as a
 * long name is cut at its end.
 */
function channelFault(text: string): string {
  const [key = '', type = '', ...others] = text.split('@');
  if (others.length > 0) return 'has more than one @: write KEY@TYPE, such as 100001@video';
  const name = text.includes('@') ? `${type}:${key}` : text;
  if (text.includes('@') && (key === '' || type === '')) return 'has nothing on one side of the @: write KEY@TYPE, such as 100001@video';
  const fault = channelNameFault(name);
  if (fault !== undefined) return fault;
  const [, ownType = '', ownKey = ''] = /^([^:]+):(.+)$/su.exec(text) ?? [];
  return ownKey === ''
    ? 'in this protocol it is KEY@TYPE, such as 100001@video (other names need barrage.v1)'
    : `in this protocol it is written ${ownKey}@${ownType}`;
}
