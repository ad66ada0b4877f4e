import { setTimeout as pause } from 'node:timers/promises';
import { Barrage, BarrageError, type Subscription } from '../../client/barrage.ts';
import { bounds } from '../bounds.ts';
import { CommandFault } from '../fault.ts';
import type { LoopbackDoor } from '../kube/loopback-door.ts';
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
  let door: LoopbackDoor | undefined;
  let urls: readonly string[];
  if (place.kind === 'urls') {
    urls = place.clientsUrls();
  } else {
    const opened = await place.openDoor(await place.pool(options.pool));
    door = opened.door;
    urls = [opened.url];
    keepAt(opened.url);
  }
  // What is left out, and gaps of slow readers, are those of a WebSocket.
  const client = new Barrage(urls, { transports: ['websocket'], ...(token === undefined ? {} : { token: token.value }) });
  try {
    await follow(context, { client, channel, limit, door });
  } finally {
    client.close();
  }
}

interface Tailed {
  readonly client: Barrage;
  readonly channel: string;
  readonly limit: number;
  readonly door: LoopbackDoor | undefined;
}

async function follow(context: Context, { client, channel, limit, door }: Tailed): Promise<void> {
  const { terminal } = context;
  const note = (text: string): void => terminal.note(printable(text));
  let newest: string | undefined;
  client.on('error', (error) => {
    // The client stays where it is until that gateway is gone, and then comes back through the door.
    if (door !== undefined && error.message.startsWith('the move to another gateway failed')) return;
    if (error.message !== newest) note(`${error.message}${error.retry ? '; trying again' : ''}`);
    newest = error.message;
  });
  const subscription = client.subscribe(channel, { bufferMax: bounds.tailWaitingMax });
  subscription.on('gap', ({ from, to, reason }) =>
    note(`gap: publications after #${from?.offset ?? '?'} and up to #${to.offset} did not arrive (${reason})`),
  );
  subscription.on('overflow', ({ leftOut }) => note(`${leftOut} publications left out: they come faster than this output takes them`));
  subscription.on('batch', ({ leftOut }) => {
    if (leftOut > 0) note(`${leftOut} publications left out on purpose (budget, conflated, expired or recalled)`);
  });
  const stop = (): void => client.close();
  terminal.signal.addEventListener('abort', stop);
  try {
    await Promise.all([greeted(context, subscription, { channel, door }), print(context, subscription, limit, stop)]);
  } catch (error) {
    throw error instanceof BarrageError ? faultOf(error, channel) : error;
  } finally {
    terminal.signal.removeEventListener('abort', stop);
  }
  if (terminal.signal.aborted) throw new Interrupted();
}

/** Says when the subscription is in force. @throws CommandFault where that takes too long, or can't be */
async function greeted(
  { terminal }: Context,
  subscription: Subscription,
  { channel, door }: { readonly channel: string; readonly door: LoopbackDoor | undefined },
): Promise<void> {
  const giveUpAt = performance.now() + subscribeMsMax;
  while (subscription.state === 'subscribing') {
    if (door?.fault?.kind === 'refused') throw door.fault;
    if (performance.now() > giveUpAt)
      throw (
        door?.fault ??
        new CommandFault('unreachable', `no gateway has subscribed this client to ${channel} within ${subscribeMsMax / 1000} s`)
      );
    await pause(20);
  }
  if (subscription.state === 'subscribed') terminal.note(printable(`subscribed to ${channel} at #${subscription.position?.offset ?? 0}`));
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
