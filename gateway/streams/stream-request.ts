import { gatewayNumberOf, parseClientId } from '../../core/client-id.ts';
import { shown } from '../../core/issue-words.ts';
import { parseJsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { parseCommand } from '../commands/v1-command.ts';

const path = '/v1/stream';

/** Whether a request target is that of event streams. */
export function isStreamRequest(url: string | undefined): boolean {
  return url?.split('?', 1)[0] === path;
}

/** The wish of a client that opens a stream. */
export interface StreamQuery {
  /** Each one once, in their order. */
  readonly channels: readonly string[];
  /** For all channels: publications a second; absent = all. */
  readonly density: number | undefined;
  /** For all channels without a position: newest publications to begin with. */
  readonly rewind: number | undefined;
  readonly lastEventId: string | undefined;
  /** Version of the SDK, of a client that tells it. */
  readonly sdk: string | undefined;
}

/** What was read, or the fault in words. */
export type Read<T> = { readonly kind: 'read'; readonly value: T } | { readonly kind: 'fault'; readonly message: string };

const fields = ['channel', 'density', 'rewind', 'lastEventId', 'sdk'];

/** Reads the query of `GET /v1/stream`. @param header the request's `Last-Event-ID`, which comes before the query's */
export function readStreamQuery(url: string, header: string | undefined): Read<StreamQuery> {
  const query = new URLSearchParams(url.slice(path.length));
  const unknown = [...query.keys()].find((name) => !fields.includes(name));
  if (unknown !== undefined) return fault(`${shown(unknown)} is not known here: the query has ${fields.join(', ')}`);
  const repeated = fields.find((name) => name !== 'channel' && query.getAll(name).length > 1);
  if (repeated !== undefined) return fault(`${repeated}: give it once`);
  const [density, rewind] = [numberOf(query.get('density')), numberOf(query.get('rewind'))];
  const channels = [...new Set(query.getAll('channel'))];
  if (channels.length > limits.streamChannelsMax)
    return fault(`${channels.length} channels: the query may have ${limits.streamChannelsMax}; subscribe to others by POST`);
  // Without a channel there is nothing that the other fields could be for, but they are checked all the same.
  for (const channel of channels.length === 0 ? ['x'] : channels) {
    const command = parseCommand(JSON.stringify({ id: 0, op: 'subscribe', channel, density, rewind }));
    if (command.kind === 'error') return fault(command.error.message);
    if (command.kind === 'garbage') return fault(command.reason);
  }
  const lastEventId = header ?? query.get('lastEventId') ?? undefined;
  return { kind: 'read', value: { channels, density, rewind, lastEventId, sdk: query.get('sdk') ?? undefined } };
}

/** NaN, of a text that is no plain decimal number, is `null` in JSON, and refused as such. */
function numberOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  return /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
}

/** Commands for a stream. */
export interface StreamCommands {
  /** The gateway that holds the stream. */
  readonly gateway: number;
  readonly client: number;
  readonly secret: string;
  /** Each one as JSON. */
  readonly commands: readonly string[];
}

/** The secret of a stream as its client has it: the connection's number, and what nobody can guess. */
export function streamName(client: number, secret: string): string {
  return `${client}.${secret}`;
}

const nameForm = /^(\d{1,16})\.([0-9A-Za-z_-]{1,64})$/;

/** Reads the body of `POST /v1/stream`. */
export function readStreamCommands(text: string): Read<StreamCommands> {
  const parsed = parseJsonObject(text);
  if (parsed.kind === 'fault') return fault(`${parsed.message}: ${form}`);
  const { stream, commands, ...more } = parsed.value;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) return fault(`${shown(unknown)} is not known here: ${form}`);
  const [, id, secret = ''] = (typeof stream === 'string' ? nameForm.exec(stream) : null) ?? [];
  const client = parseClientId(id);
  if (client === undefined) return fault(`stream must be the one of the stream's hello: ${form}`);
  if (!Array.isArray(commands) || commands.length === 0) return fault(`commands must be a list of one or more: ${form}`);
  if (commands.length > limits.streamCommandsMax)
    return fault(`${commands.length} commands: one request may have ${limits.streamCommandsMax}`);
  const texts: string[] = [];
  for (const [index, command] of commands.entries()) {
    const each = JSON.stringify(command);
    if (Buffer.byteLength(each) > limits.clientFrameBytesMax)
      return fault(`commands[${index}] has ${Buffer.byteLength(each)} bytes: one may have ${limits.clientFrameBytesMax}`);
    const read = parseCommand(each);
    if (read.kind === 'garbage') return fault(`commands[${index}]: ${read.reason}`);
    texts.push(each);
  }
  return { kind: 'read', value: { gateway: gatewayNumberOf(client), client, secret, commands: texts } };
}

const form = 'send {"stream":"…","commands":[{"id":1,"op":"ping"}]}';

function fault(message: string): { readonly kind: 'fault'; readonly message: string } {
  return { kind: 'fault', message };
}
