/** What a peer speaks on a port of TLS, by the first bytes that it sent. */
export type Spoken = 'tls' | 'http' | 'other';

/** Type of the TLS record that a handshake begins with (RFC 8446, 5.1). */
const handshakeRecord = 0x16;

/** Reads what a peer speaks. @param bytes at least one */
export function spokenIn(bytes: Uint8Array): Spoken {
  const [first = 0] = bytes;
  if (first === handshakeRecord) return 'tls';
  // A request line begins with a method, which is a word of letters (RFC 9110, 9.1).
  return isLetter(first) ? 'http' : 'other';
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}
