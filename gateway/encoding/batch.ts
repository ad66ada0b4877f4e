import type { PlacedPublication, Recall } from '../../core/publication.ts';
import { toldRecall } from '../../core/recall.ts';
import type { BatchSpan, EncodedItems } from './encoding.ts';
import { frame, frameHeaderLength, textFrame, writeFrameHeader } from './frame.ts';

/** Whether an item with a sum also has the parts of the sum. */
export type SumDetail = 'sum' | 'parts';

/** The item of a tombstone, the same in text and in binary batches. */
function tombstoneItem(offset: number, recall: Recall): string {
  return `{"offset":${offset},"recall":${JSON.stringify(toldRecall(offset, recall))}}`;
}

/**
 * The item of a text batch as JSON. It is made once per publication and gateway; batches only join items. A binary
 * payload is base64, for encodings without binary frames.
 */
export function encodeTextItem(placed: PlacedPublication, detail: SumDetail = 'sum'): string {
  const { kind, payload, recall } = placed.publication;
  if (recall !== undefined) return tombstoneItem(placed.offset, recall);
  const data =
    kind === 'binary' ? `"kind":"binary","data":"${payload.toString('base64')}"` : `"data":${JSON.stringify(payload.toString())}`;
  return `{"offset":${placed.offset}${sumOf(placed, detail)},${data}}`;
}

/** The encoded item, which other densities of the encoding may have made. */
export function itemOf(placed: PlacedPublication, detail: SumDetail, encoded: EncodedItems | undefined): string {
  const known = encoded?.get(placed);
  if (known !== undefined) return known;
  const item = encodeTextItem(placed, detail);
  encoded?.set(placed, item);
  return item;
}

function sumOf({ count, parts }: PlacedPublication, detail: SumDetail): string {
  if (count === undefined) return '';
  return detail === 'sum' || parts === undefined ? `,"count":${count}` : `,"count":${count},"parts":[${steps(parts).join()}]`;
}

/**
 * Parts in their wire form: the counts, the newest first. Between two counts stands the distance in offsets to the next
 * older one.
 */
function steps(parts: readonly number[]): readonly number[] {
  const told: number[] = [];
  for (let index = parts.length - 2; index >= 0; index -= 2) {
    told.push(parts[index + 1] ?? 0);
    if (index > 0) told.push((parts[index] ?? 0) - (parts[index - 2] ?? 0));
  }
  return told;
}

/**
 * The times at which a batch's publications were accepted: that of the first, and the difference of each further one
 * from the one before it. Every member gets them, since they cost about three bytes a publication. A class of members
 * that want them would encode each batch twice, and gateways of an older version would refuse its members.
 */
function timesOf(placed: readonly PlacedPublication[]): string {
  const [first] = placed;
  if (first === undefined) return '';
  let previous = first.publication.acceptedAt;
  let differences = '';
  let areEqual = true;
  for (let index = 1; index < placed.length; index++) {
    const at = placed[index]?.publication.acceptedAt ?? previous;
    if (at !== previous) areEqual = false;
    differences += index === 1 ? at - previous : `,${at - previous}`;
    previous = at;
  }
  const at = `"at":${first.publication.acceptedAt},`;
  return areEqual ? at : `${at}"dt":[${differences}],`;
}

function batchStart(span: BatchSpan, placed: readonly PlacedPublication[]): string {
  return `{"type":"batch","channel":${JSON.stringify(span.channel)},"epoch":"${span.epoch}","after":${span.after},"upto":${span.upto},"leftOut":${span.leftOut},${timesOf(placed)}"items":[`;
}

/** A batch as JSON. `items` are the encoded items of `placed`. */
export function batchText(span: BatchSpan, placed: readonly PlacedPublication[], items: readonly string[]): string {
  return `${batchStart(span, placed)}${items.join(',')}]}`;
}

/** A whole text frame, including the WebSocket header. `items` are the encoded items of `placed`. */
export function encodeTextBatch(span: BatchSpan, placed: readonly PlacedPublication[], items: readonly string[]): Buffer {
  return textFrame(batchText(span, placed, items));
}

/** A whole binary frame, for a batch with at least one binary publication. */
export function encodeBinaryBatch(span: BatchSpan, placed: readonly PlacedPublication[], detail: SumDetail = 'sum'): Buffer {
  const items = placed.map((item) => {
    const { kind, payload, recall } = item.publication;
    if (recall !== undefined) return tombstoneItem(item.offset, recall);
    return `{"offset":${item.offset}${sumOf(item, detail)},"kind":"${kind}","size":${payload.length}}`;
  });
  const header = Buffer.from(`${batchStart(span, placed)}${items.join(',')}]}`);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(header.length);
  const payloads = placed.flatMap(({ publication }) => (publication.recall === undefined ? publication.payload : []));
  return frame('binary', [length, header, ...payloads]);
}

/**
 * The frames of a batch in the plain protocol. Each publication is a frame of its own, verbatim; one buffer holds all
 * of them for one write.
 */
export function encodePlainBatch(items: readonly PlacedPublication[]): Buffer {
  let length = 0;
  for (const { publication } of items) length += frameHeaderLength(publication.payload.length) + publication.payload.length;
  const target = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { publication } of items) {
    const { kind, payload } = publication;
    at = writeFrameHeader(target, at, kind, payload.length);
    at += payload.copy(target, at);
  }
  return target;
}
