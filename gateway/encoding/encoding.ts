import type { Batch, ServerMessage } from '../../core/protocol/barrage-v1.ts';
import type { PayloadKind, PlacedPublication } from '../../core/publication.ts';

/**
 * How many publications a second members want at most, as classes that share their bytes.
 * `full` is bounded by the policy's budget alone.
 */
export const densities = ['full', 'dense50', 'dense20', 'dense5'] as const;
export type Density = (typeof densities)[number];

/** What a batch accounts for: the offsets `(after, upto]` of an epoch, `leftOut` of which are not in it. */
export interface BatchSpan {
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly leftOut: number;
}

/** A message of the gateway other than a batch. */
export type Message = Exclude<ServerMessage, Batch>;

/** Items of one cut that were encoded for another density of the same encoding. */
export type EncodedItems = Map<PlacedPublication, string>;

/**
 * How members of one kind are written to. The rules of a room see what an encoding can, never a protocol's name.
 * Every method returns bytes that are ready for the socket.
 */
export interface Encoding {
  readonly name: string;
  /** Whether it can say how many publications one stands for: `Sum` publications are added up. */
  readonly canSum: boolean;
  /** Whether it can say what is no publication: a gap, an ended subscription, a move. */
  readonly canTell: boolean;
  /**
   * How members are written to for a time that come with a position, from a connection before or beside this one: what
   * they have of a sum must not be counted again. Often the encoding itself.
   */
  readonly handover: Encoding;
  /** Frames that a batch of so many publications is written as. */
  framesOf(publications: number): number;
  /** One batch. `undefined`: it has nothing to say. */
  batch(span: BatchSpan, items: readonly PlacedPublication[], encoded?: EncodedItems): Buffer | undefined;
  /** One message. `undefined`: it has no word for it. */
  message(message: Message): Buffer | undefined;
  /** What a backend sends to one connection. */
  direct(kind: PayloadKind, payload: Buffer): Buffer;
  /** Asks whether the client is there. */
  readonly ping: Buffer;
  /** Answers a client's ping; `data` is what the ping carried, at most 125 bytes. */
  pong(data: Buffer): Buffer;
  /** The members of this encoding at one density: always the same object, so that it can be a key. */
  classAt(density: Density): MemberClass;
}

/** Members of a room that get the same bytes: one encoding at one density. */
export interface MemberClass {
  readonly encoding: Encoding;
  readonly density: Density;
}

/** Adds the classes to an encoding. Without a `handover` it is its own. */
export function defineEncoding(encoding: Omit<Encoding, 'classAt' | 'handover'>, handover?: Encoding): Encoding {
  const defined: Encoding = {
    ...encoding,
    get handover() {
      return handover ?? defined;
    },
    classAt: (density) => classes[density],
  };
  const classOf = (density: Density): MemberClass => ({ encoding: defined, density });
  const classes: Readonly<Record<Density, MemberClass>> = {
    full: classOf('full'),
    dense50: classOf('dense50'),
    dense20: classOf('dense20'),
    dense5: classOf('dense5'),
  };
  return defined;
}
