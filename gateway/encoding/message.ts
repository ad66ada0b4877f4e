import type { Batch, ServerMessage } from '../../core/protocol/barrage-v1.ts';
import { frame } from './frame.ts';

/** A whole text frame with one message of barrage.v1. Batches have encoders of their own, which never stringify a batch. */
export function encodeMessage(message: Exclude<ServerMessage, Batch>): Buffer {
  return frame('text', [Buffer.from(JSON.stringify(message))]);
}
