import type { Batch, ServerMessage } from '../../core/protocol/barrage-v1.ts';
import type { PayloadKind, PlacedPublication } from '../../core/publication.ts';

/**
 * Densities: rates in publications a second that members can ask for, as classes that share their bytes. Only the
 * policy's budget bounds `full`.
 */
export const densities = ['full', 'dense50', 'dense20', 'dense5'] as const;
export type Density = (typeof densities)[number];

/** The offsets that a batch accounts for: `(after, upto]` of an epoch, of which `leftOut` are not in the batch. */
export interface BatchSpan {
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly leftOut: number;
}

/** A message of the gateway other than a batch. */
export type Message = Exclude<ServerMessage, Batch>;

/** Items of one cut, as encoded for another density of the same encoding. */
export type EncodedItems = Map<PlacedPublication, string>;

/**
 * The encoding of bytes for one kind of member. The rules of a room depend on these abilities, never on a protocol's
 * name. Every method returns bytes that are ready for the socket.
 */
export interface Encoding {
  readonly name: string;
  /** Whether a message can carry a count: then `Sum` publications are added up. */
  readonly canSum: boolean;
  /**
   * Whether it has messages other than publications: a gap, an ended subscription, a move, a tombstone. Without them it
   * is given no tombstone.
   */
  readonly canTell: boolean;
  /**
   * Encoding for members that come with a position from another connection, for a limited time. Counts that they
   * already have must not be added again. Often the encoding itself.
   */
  readonly handover: Encoding;
  /** Number of frames for a batch of so many publications. */
  framesOf(publications: number): number;
  /** One batch; `undefined` when the encoding has nothing to send for it. */
  batch(span: BatchSpan, items: readonly PlacedPublication[], encoded?: EncodedItems): Buffer | undefined;
  /** One message; `undefined` when the encoding has no form for it. */
  message(message: Message): Buffer | undefined;
  /** A backend's payload for one connection. */
  direct(kind: PayloadKind, payload: Buffer): Buffer;
  /** Whether a live client answers pings. Without it a client is alive while it takes bytes. */
  readonly answersPings: boolean;
  /** Ping frame, or what else keeps a silent connection open. */
  readonly ping: Buffer;
  /** The answer to a client's ping. `data` is the ping's payload of at most 125 bytes. */
  pong(data: Buffer): Buffer;
  /** The class of this encoding at one density. It is always the same object, so that it can be a key. */
  classAt(density: Density): MemberClass;
}

/** Members of a room that get the same bytes: one encoding at one density. */
export interface MemberClass {
  readonly encoding: Encoding;
  readonly density: Density;
}

/** Adds the classes to an encoding. The default `handover` is the encoding itself. */
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
