import { encodeBinaryBatch, encodePlainBatch, encodeTextBatch, itemOf, type SumDetail } from './batch.ts';
import { defineEncoding, type Encoding, type Message } from './encoding.ts';
import { controlFrame, frame, textFrame } from './frame.ts';

const ping = controlFrame('ping', Buffer.alloc(0));
const pong = (data: Buffer): Buffer => controlFrame('pong', data);

/**
 * A whole text frame with one message of barrage.v1. Batches have their own encoders, which never stringify a whole
 * batch.
 */
function messageFrame(message: Message): Buffer {
  return textFrame(JSON.stringify(message));
}

/** CONNMIX's protocol: each publication is a frame of its own, verbatim. It has no form for anything else. */
export const plainEncoding: Encoding = defineEncoding({
  name: 'plain',
  canSum: false,
  canTell: false,
  framesOf: (publications) => publications,
  batch: (_span, items) => (items.length === 0 ? undefined : encodePlainBatch(items)),
  message: () => undefined,
  direct: (kind, payload) => frame(kind, [payload]),
  answersPings: true,
  ping,
  pong,
});

/** barrage.v1: a batch is one frame, text unless one of its publications is binary. */
function v1With(detail: SumDetail, handover?: Encoding): Encoding {
  return defineEncoding(
    {
      name: 'barrage.v1',
      canSum: true,
      canTell: true,
      framesOf: () => 1,
      batch(span, items, encoded) {
        if (items.some(({ publication }) => publication.kind === 'binary')) return encodeBinaryBatch(span, items, detail);
        return encodeTextBatch(
          span,
          items,
          items.map((item) => itemOf(item, detail, encoded)),
        );
      },
      message: messageFrame,
      direct: (kind, payload) => messageFrame({ type: 'direct', kind, data: payload.toString(kind === 'binary' ? 'base64' : 'utf8') }),
      answersPings: true,
      ping,
      pong,
    },
    handover,
  );
}

/** barrage.v1. Sums are sent with their parts while a member comes from another connection. */
export const v1Encoding: Encoding = v1With('sum', v1With('parts'));
