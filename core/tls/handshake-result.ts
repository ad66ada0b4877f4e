/** What becomes of the sockets on a port of TLS. */
export const handshakeResults = {
  done: 'the handshake was done',
  'plain-http': 'the peer sent a plain HTTP request',
  'not-tls': 'the peer spoke neither TLS nor HTTP',
  timeout: 'the peer did not finish in time',
  left: 'the peer left before the end',
  protocol: 'the peer has no version, cipher or protocol in common with this process',
  certificate: 'the peer refused the certificate',
  crowded: 'too many sockets waited for a handshake',
  malformed: 'the peer broke the TLS protocol',
} as const;

export type HandshakeResult = keyof typeof handshakeResults;

/** The reason for which a handshake failed, by the code of the platform's error. */
export function failureOf(code: string | undefined): Exclude<HandshakeResult, 'done'> {
  if (code === undefined || code === 'ECONNRESET' || code === 'EPIPE') return 'left';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout';
  if (/VERSION|PROTOCOL|NO_SHARED_CIPHER|NO_SUITABLE|NO_CIPHER|HANDSHAKE_FAILURE/.test(code)) return 'protocol';
  if (/ALERT.*(?:CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(code)) return 'certificate';
  return 'malformed';
}
