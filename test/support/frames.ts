/** One WebSocket frame as a server sent it. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Splits bytes that hold whole, unmasked frames (RFC 6455 section 5.2). @throws RangeError where they don't */
export function readFrames(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const opcode = bytes.readUInt8(at) & 0x0f;
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    if (at + length > bytes.length) throw new RangeError('the last frame is not whole');
    frames.push({ opcode, payload: bytes.subarray(at, at + length) });
    at += length;
  }
  return frames;
}
