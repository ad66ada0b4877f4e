import { onTestFinished } from 'vitest';
import { Barrage } from '../../../client/barrage.ts';
import { TestClient } from '../../support/websocket.ts';
import type { Told } from './account.ts';

/** A client that keeps what it is told of each channel. */
export interface Viewer {
  /** Whether it can see offsets and gaps. */
  readonly kind: 'sdk' | 'plain';
  readonly isSubscribed: boolean;
  readonly disconnects: number;
  told(channel: string): readonly Told[];
}

function newLists(channels: readonly string[]): ReadonlyMap<string, Told[]> {
  return new Map(channels.map((channel) => [channel, []]));
}

/** A client of barrage.v1, by the SDK. */
export class SdkViewer implements Viewer {
  readonly kind = 'sdk';
  disconnects = 0;
  readonly #client: Barrage;
  readonly #told: ReadonlyMap<string, Told[]>;
  readonly #subscriptions;

  constructor(port: number, channels: readonly string[]) {
    this.#told = newLists(channels);
    this.#client = new Barrage(`ws://127.0.0.1:${port}/`);
    onTestFinished(() => this.#client.close());
    this.#client.on('state', (state) => {
      if (state === 'waiting') this.disconnects++;
    });
    this.#subscriptions = channels.map((channel) => {
      const subscription = this.#client.subscribe(channel);
      const told = this.#told.get(channel)!;
      subscription.on('batch', ({ epoch, publications }) => {
        for (const { data, offset } of publications)
          told.push({ kind: 'publication', at: performance.now(), number: numberOf(String(data)), position: { epoch, offset } });
      });
      subscription.on('gap', ({ from, to }) => told.push({ kind: 'gap', at: performance.now(), from, to }));
      return subscription;
    });
  }

  get isSubscribed(): boolean {
    return this.#client.state === 'open' && this.#subscriptions.every(({ state }) => state === 'subscribed');
  }

  told(channel: string): readonly Told[] {
    return this.#told.get(channel)!;
  }
}

/** A client of the plain protocol: it sees neither offsets nor gaps. */
export class PlainViewer implements Viewer {
  readonly kind = 'plain';
  readonly isSubscribed = true;
  readonly #client: TestClient;
  readonly #told: ReadonlyMap<string, Told[]>;

  private constructor(client: TestClient, channels: readonly string[]) {
    this.#client = client;
    this.#told = newLists(channels);
    client.socket.on('message', (data) => {
      const text = (data as Buffer).toString();
      this.#told
        .get(text.split(' ')[0]!)
        ?.push({ kind: 'publication', at: performance.now(), number: numberOf(text), position: undefined });
    });
  }

  static async open(port: number, channels: readonly string[]): Promise<PlainViewer> {
    const client = await TestClient.open(port);
    onTestFinished(() => client.socket.terminate());
    for (const channel of channels) await client.ask({ op: 'subscribe', channel: channel.split(':').toReversed().join('@') });
    return new PlainViewer(client, channels);
  }

  get disconnects(): number {
    return this.#client.closing === undefined ? 0 : 1;
  }

  told(channel: string): readonly Told[] {
    return this.#told.get(channel)!;
  }
}

/** A payload is the channel, and a number that no other publication has. */
function numberOf(payload: string): number {
  return Number(payload.split(' ')[1]);
}
