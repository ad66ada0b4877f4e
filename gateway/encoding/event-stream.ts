import type { CloseCode } from '../../core/close-codes.ts';
import type { Position } from '../../core/publication.ts';
import { batchText, itemOf, type SumDetail } from './batch.ts';
import { defineEncoding, type Encoding, type Message } from './encoding.ts';
import { endId, idOf } from './event-ids.ts';

/** A comment, which readers skip. It keeps the stream open on its way through proxies. */
const comment = Buffer.from(':\n\n');

/** The line with an event's id. */
export function idLine(id: string): string {
  return `id: ${id}\n`;
}

/** One event, as HTML's `text/event-stream` has it. JSON has no line breaks of its own. */
function event(json: string, lines = ''): Buffer {
  return Buffer.from(`${lines}data: ${json}\n\n`);
}

/** The event with one message. @param lines other lines of the event, such as its id */
export function messageEvent(message: Message, lines?: string): Buffer {
  return event(JSON.stringify(message), lines);
}

/** The last event of a stream. After a close for good its id tells a client that comes back by itself to stop. */
export function closeEvent({ code, reason, reconnect }: CloseCode): Buffer {
  return event(JSON.stringify({ type: 'close', code, reason }), reconnect ? '' : idLine(endId));
}

/** Where a client is after a message; `undefined`: the message moves it nowhere, or says not where to. */
function placeAfter(message: Message): Position | undefined {
  if (message.type === 'gap') return { epoch: message.epoch, offset: message.upto };
  return message.type === 'subscribed' ? { epoch: message.epoch, offset: message.offset } : undefined;
}

function streamEncodingWith(ids: 'with ids' | 'without ids', detail: SumDetail, handover?: Encoding): Encoding {
  const linesOf = (channel: string, place: Position): string => (ids === 'with ids' ? idLine(idOf(channel, place)) : '');
  return defineEncoding(
    {
      name: 'sse',
      canSum: true,
      canTell: true,
      framesOf: () => 1,
      batch(span, items, encoded) {
        const texts = items.map((item) => itemOf(item, detail, encoded));
        return event(batchText(span, items, texts), linesOf(span.channel, { epoch: span.epoch, offset: span.upto }));
      },
      message(message) {
        const place = placeAfter(message);
        return messageEvent(message, place === undefined || !('channel' in message) ? '' : linesOf(message.channel, place));
      },
      direct: (kind, payload) => messageEvent({ type: 'direct', kind, data: payload.toString(kind === 'binary' ? 'base64' : 'utf8') }),
      answersPings: false,
      ping: comment,
      pong: () => comment,
    },
    handover,
  );
}

/** Server-sent events: each one is a message of barrage.v1. Binary payloads are base64. */
export const streamEncoding: Encoding = streamEncodingWith('without ids', 'sum', streamEncodingWith('without ids', 'parts'));

/**
 * The same for the only channel of a stream's query: each event has its id, which all members share. A stream joins at
 * its exact position, so it needs no parts of sums.
 */
export const identifiedStreamEncoding: Encoding = streamEncodingWith('with ids', 'sum');
