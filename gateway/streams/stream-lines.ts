import type { Position } from '../../core/publication.ts';
import type { OwnLines } from '../connections/connection.ts';
import type { Encoding, Message } from '../encoding/encoding.ts';
import { idOf } from '../encoding/event-ids.ts';
import { idLine, identifiedStreamEncoding, messageEvent, streamEncoding } from '../encoding/event-stream.ts';

/**
 * The lines of one stream's own. An id tells its place in each channel of its query, since a browser that comes back
 * asks for these channels again, and for no others. Where the query has one channel, all streams share its ids.
 */
export class StreamLines implements OwnLines {
  readonly #channels: ReadonlySet<string>;
  readonly #only: string | undefined;
  readonly #spread: number;
  /** The place in each channel by the bytes written so far: the channel's part of an id. */
  readonly #places: Map<string, string>;

  /**
   * @param places what the client says of its places, from its last stream
   * @param random in [0, 1): spreads the return of clients that lose their streams together
   */
  constructor(channels: readonly string[], places: ReadonlyMap<string, Position>, random: number) {
    this.#channels = new Set(channels);
    this.#only = channels.length === 1 ? channels[0] : undefined;
    this.#spread = random + 0.5;
    this.#places = new Map([...places].map(([channel, place]) => [channel, idOf(channel, place)]));
  }

  encodingOf(channel: string): Encoding {
    return channel === this.#only ? identifiedStreamEncoding : streamEncoding;
  }

  before(channel: string, epoch: string, upto: number): Buffer | undefined {
    if (this.#only !== undefined || !this.#channels.has(channel)) return undefined;
    return Buffer.from(this.#lineAt(channel, { epoch, offset: upto }));
  }

  message(message: Message): Buffer | undefined {
    return messageEvent(message, this.#linesOf(message));
  }

  #linesOf(message: Message): string {
    if (message.type === 'hello') return this.#retryLine(message.backoff.baseMs);
    if (message.type === 'backoff') return this.#retryLine(message.baseMs);
    return message.type === 'subscribed' && this.#channels.has(message.channel) ? this.#lineAt(message.channel, message) : '';
  }

  #lineAt(channel: string, place: Position): string {
    this.#places.set(channel, idOf(channel, place));
    return idLine([...this.#places.values()].join(','));
  }

  /** Browsers wait for as long as this says: half a base to one and a half, so that they arrive as evenly as others. */
  #retryLine(baseMs: number): string {
    return `retry: ${Math.ceil(baseMs * this.#spread)}\n`;
  }
}
