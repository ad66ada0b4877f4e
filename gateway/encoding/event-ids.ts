import type { Position } from '../../core/publication.ts';

/**
 * Ids of events. An id says where a stream is in each channel of its query: `KEY.EPOCH.OFFSET`, with commas between
 * channels. The key stands for the channel's name, which may be long. Browsers send the last id back, in the header
 * `Last-Event-ID`.
 */

/** The id of an end after which the client must not come back. */
export const endId = 'end';
/** Longest id that is read, in characters: sixteen channels take less. */
const idCharactersMax = 2_048;
const entryForm = /^([0-9a-z]{1,7})\.([0-9A-Za-z]{1,64})\.(0|[1-9]\d{0,15})$/;

/** Short form of a channel's name: 32 bits by FNV-1a over its UTF-16 units. */
export function keyOf(channel: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < channel.length; index++) hash = Math.imul(hash ^ channel.charCodeAt(index), 0x01000193);
  return (hash >>> 0).toString(36);
}

/** A channel's part of an id. */
export function idOf(channel: string, { epoch, offset }: Position): string {
  return `${keyOf(channel)}.${epoch}.${offset}`;
}

/** What a `Last-Event-ID` says of a stream's channels. */
export type LastEventId =
  /** The client must not come back. */
  | { readonly kind: 'end' }
  /** `unknown`: channels of which the id says something that can't be used. */
  | { readonly kind: 'positions'; readonly positions: ReadonlyMap<string, Position>; readonly unknown: ReadonlySet<string> };

/**
 * Reads a `Last-Event-ID` for the channels of a query. What can't be read is no position: the client is told that it
 * may have missed something.
 */
export function readLastEventId(id: string | undefined, channels: readonly string[]): LastEventId {
  if (id === undefined || id === '') return { kind: 'positions', positions: new Map(), unknown: new Set() };
  if (id === endId) return { kind: 'end' };
  const entries = id.length > idCharactersMax ? [null] : id.split(',').map((entry) => entryForm.exec(entry));
  if (entries.includes(null)) return { kind: 'positions', positions: new Map(), unknown: new Set(channels) };
  const byKey = new Map(entries.map((entry) => [entry?.[1] ?? '', { epoch: entry?.[2] ?? '', offset: Number(entry?.[3]) }]));
  const positions = new Map<string, Position>();
  const unknown = new Set<string>();
  for (const channel of channels) {
    const position = byKey.get(keyOf(channel));
    if (position === undefined) continue;
    // Two names with one key: nobody can tell whose position it is.
    const isOnly = channels.every((other) => other === channel || keyOf(other) !== keyOf(channel));
    if (isOnly && Number.isSafeInteger(position.offset)) positions.set(channel, position);
    else unknown.add(channel);
  }
  return { kind: 'positions', positions, unknown };
}
