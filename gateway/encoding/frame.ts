/** WebSocket opcodes, RFC 6455 section 5.2. */
const opcodes = { text: 0x1, binary: 0x2, ping: 0x9, pong: 0xa } as const;

/** Length in bytes of a server's (unmasked) frame header for a payload of this length. */
export function frameHeaderLength(payloadLength: number): number {
  return payloadLength < 126 ? 2 : payloadLength < 65_536 ? 4 : 10;
}

/**
 * Writes the header of one unfragmented, unmasked data frame (RFC 6455 section 5.2) into `target` at `at`. Returns the
 * index after it. Gateways encode a frame once and write the same bytes to every member, which `WebSocket.send` can't
 * do.
 */
export function writeFrameHeader(target: Buffer, at: number, kind: 'text' | 'binary', payloadLength: number): number {
  target[at] = 0x80 | opcodes[kind];
  if (payloadLength < 126) {
    target[at + 1] = payloadLength;
    return at + 2;
  }
  if (payloadLength < 65_536) {
    target[at + 1] = 126;
    return target.writeUInt16BE(payloadLength, at + 2);
  }
  target[at + 1] = 127;
  return target.writeBigUInt64BE(BigInt(payloadLength), at + 2);
}

/** One whole data frame around `chunks`, ready for a socket. */
export function frame(kind: 'text' | 'binary', chunks: readonly Buffer[]): Buffer {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const target = Buffer.allocUnsafe(frameHeaderLength(length) + length);
  let at = writeFrameHeader(target, 0, kind, length);
  for (const chunk of chunks) at += chunk.copy(target, at);
  return target;
}

/** One whole text frame, encoded straight into its place. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const target = Buffer.allocUnsafe(frameHeaderLength(length) + length);
  target.write(text, writeFrameHeader(target, 0, 'text', length), 'utf8');
  return target;
}

/** One control frame; `data` has at most 125 bytes (RFC 6455 section 5.5). */
export function controlFrame(kind: 'ping' | 'pong', data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcodes[kind], data.length]), data]);
}
