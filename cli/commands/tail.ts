import { setTimeout as pause } from 'node:timers/promises';
import { Barrage, BarrageError, type Subscription } from '../../client/barrage.ts';
import { counted } from '../../core/counted.ts';
import { bounds } from '../bounds.ts';
import { CommandFault } from '../fault.ts';
import type { LoopbackDoor } from '../kube/loopback-door.ts';
import type { UrlPlace } from '../places/url-place.ts';
import { streamedText } from '../view/document.ts';
import { publicationDocument, publicationLine, type TailedPublication } from '../view/publication-line.ts';
import { printable } from '../view/terminal-text.ts';
import { Interrupted, wholeNumber, type Context } from './context.ts';
import { checkChannel } from './publish.ts';

export interface TailOptions {
  readonly pool?: string;
  /** Publications after which it ends. */
  readonly limit?: string;
}

/** Longest wait for the first subscription, in milliseconds. */
const subscribeMsMax = 15_000;

/**
 * Keeps this process's WebSockets at one host: the door to the cluster. A gateway's hint to move, and its answer to
 * `GET /v1/connect`, name addresses of the cluster's network. On this network others may have them, and the client's
 * token is not for them. A refused dial keeps the SDK where it is.
 */
function keepAt(url: string): void {
  const { host } = new URL(url);
  const Unbound = globalThis.WebSocket;
  globalThis.WebSocket = class extends Unbound {
    constructor(target: string | URL, protocols?: string | string[]) {
      if (new URL(target).host !== host) throw new DOMException(`${String(target)} is not reached through the API server`, 'SecurityError');
      super(target, protocols);
    }
  };
}

/** `tail CHANNEL`: subscribes, and prints what arrives until it is interrupted. */
export async function tail(context: Context, channel: string, options: TailOptions): Promise<void> {
  const { place, token } = context;
  checkChannel(channel);
  const limit = options.limit === undefined ? Infinity : wholeNumber('--limit', options.limit, { least: 1, most: 1_000_000_000 });
  let way: LoopbackDoor | UrlPlace;
  let urls: readonly string[];
  if (place.kind === 'urls') {
    way = place;
    urls = place.clientsUrls();
  } else {
    const opened = await place.openDoor(await place.pool(options.pool));
    way = opened.door;
    urls = [opened.url];
    keepAt(opened.url);
  }
  // What is left out, and gaps of slow readers, are those of a WebSocket.
  const client = new Barrage(urls, { transports: ['websocket'], ...(token === undefined ? {} : { token: token.value }) });
  try {
    await follow(context, { client, channel, limit, way });
  } finally {
    client.close();
  }
}

interface Tailed {
  readonly client: Barrage;
  readonly channel: string;
  readonly limit: number;
  readonly way: LoopbackDoor | UrlPlace;
}

/** The client's first connection, as long as it is waited for. */
interface FirstConnection {
  isMade: boolean;
  /** Why it can't be made. */
  fault: CommandFault | undefined;
}

async function follow(context: Context, { client, channel, limit, way }: Tailed): Promise<void> {
  const { terminal } = context;
  const note = (text: string): void => terminal.note(printable(text));
  const over = new AbortController();
  const first: FirstConnection = { isMade: false, fault: undefined };
  client.on('state', (state) => {
    if (state === 'open') first.isMade = true;
  });
  let newest: string | undefined;
  const tell = ({ message, retry }: BarrageError, cause: string | undefined): void => {
    const text = `${message}${cause === undefined ? '' : `: ${cause}`}${retry ? '; trying again' : ''}`;
    if (text !== newest) note(text);
    newest = text;
  };
  const tellWithCause = async (error: BarrageError, place: UrlPlace): Promise<void> => {
    const { words, isEverywhere } = await place.connectFaults(over.signal);
    if (over.signal.aborted) return;
    if (first.isMade || words === undefined || !isEverywhere) tell(error, words);
    else first.fault = new CommandFault('unreachable', words, { cause: error });
  };
  client.on('error', (error) => {
    if (way.kind === 'urls') return void (error.code === 'disconnected' ? tellWithCause(error, way) : tell(error, undefined));
    // The client stays where it is until that gateway is gone, and then comes back through the door.
    if (!error.message.startsWith('the move to another gateway failed')) tell(error, undefined);
  });
  const subscription = client.subscribe(channel, { bufferMax: bounds.tailWaitingMax });
  subscription.on('gap', ({ from, to, reason }) =>
    note(`gap: publications after #${from?.offset ?? '?'} and up to #${to.offset} did not arrive (${reason})`),
  );
  subscription.on('overflow', ({ leftOut }) => note(`${counted(leftOut, 'publication')} left out: more come than this output takes`));
  subscription.on('batch', ({ leftOut }) => {
    if (leftOut > 0) note(`${counted(leftOut, 'publication')} left out on purpose (budget, conflated, expired or recalled)`);
  });
  const stop = (): void => client.close();
  terminal.signal.addEventListener('abort', stop);
  try {
    await Promise.all([
      greeted(context, subscription, { channel, way, first, signal: over.signal }),
      print(context, subscription, limit, stop),
    ]);
  } catch (error) {
    throw error instanceof BarrageError ? faultOf(error, channel) : error;
  } finally {
    over.abort();
    terminal.signal.removeEventListener('abort', stop);
  }
  if (terminal.signal.aborted) throw new Interrupted();
}

interface Awaited {
  readonly channel: string;
  readonly way: LoopbackDoor | UrlPlace;
  readonly first: Readonly<FirstConnection>;
  readonly signal: AbortSignal;
}

/** Says when the subscription is in force. @throws CommandFault where that takes too long, or can't be */
async function greeted({ terminal }: Context, subscription: Subscription, { channel, way, first, signal }: Awaited): Promise<void> {
  const giveUpAt = performance.now() + subscribeMsMax;
  while (subscription.state === 'subscribing') {
    if (way.kind === 'door' && way.fault?.kind === 'refused') throw way.fault;
    if (first.fault !== undefined) throw first.fault;
    if (performance.now() > giveUpAt) throw await lateFault(channel, way, signal);
    await pause(20);
  }
  if (subscription.state === 'subscribed') terminal.note(printable(`subscribed to ${channel} at #${subscription.position?.offset ?? 0}`));
}

/** Why no subscription has come in time. */
async function lateFault(channel: string, way: LoopbackDoor | UrlPlace, signal: AbortSignal): Promise<CommandFault> {
  if (way.kind === 'door' && way.fault !== undefined) return way.fault;
  const words = way.kind === 'urls' ? (await way.connectFaults(signal)).words : undefined;
  return new CommandFault('unreachable', words ?? `no gateway has subscribed this client to ${channel} within ${subscribeMsMax / 1000} s`);
}

async function print({ terminal, output, now }: Context, subscription: Subscription, limit: number, stop: () => void): Promise<void> {
  let printed = 0;
  for await (const { channel, offset, data, count } of subscription) {
    const publication: TailedPublication = { at: now(), channel, offset, count, data };
    await terminal.write(output === 'text' ? `${publicationLine(publication)}\n` : streamedText(publicationDocument(publication), output));
    printed += 1;
    if (printed >= limit) return stop();
  }
}

function faultOf(error: BarrageError, channel: string): CommandFault {
  const login = 'Give a token in BARRAGE_TOKEN or with --token-file, or see access.subscribe in the policy of the channel';
  if (error.code === 'not_authenticated' || error.code === 'forbidden')
    return new CommandFault('refused', `${channel} is not open to this client: ${error.message}. ${login}`, { cause: error });
  if (error.code === 'bad_request') return new CommandFault('usage', `there is no such channel: ${error.message}`, { cause: error });
  const kind = error.code === 'protocol' ? 'unreachable' : 'failed';
  return new CommandFault(kind, `${channel}: ${error.message} (${error.code})`, { cause: error });
}
