import { expect, test } from 'vitest';
import { spokenIn } from '../../core/tls/first-bytes.ts';
import { failureOf, handshakeResults } from '../../core/tls/handshake-result.ts';

test.each([
  ['a ClientHello', [0x16, 0x03, 0x01], 'tls'],
  ['a request', [...Buffer.from('GET / HTTP/1.1')], 'http'],
  ['a request in small letters', [...Buffer.from('get /')], 'http'],
  ['the header of the PROXY protocol', [...Buffer.from('PROXY TCP4')], 'http'],
  ['a TLS alert', [0x15, 0x03, 0x01], 'other'],
  ['a hello of SSL 2', [0x80, 0x2e], 'other'],
  ['the neighbours of letters', [0x40], 'other'],
  ['the neighbours of letters', [0x5b], 'other'],
  ['the neighbours of letters', [0x60], 'other'],
  ['the neighbours of letters', [0x7b], 'other'],
])('%s begins with %j: %s', (_, bytes, spoken) => {
  expect(spokenIn(Uint8Array.from(bytes))).toBe(spoken);
});

test.each([
  [undefined, 'left'],
  ['ECONNRESET', 'left'],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'timeout'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'protocol'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'protocol'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'protocol'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'protocol'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'certificate'],
  ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'certificate'],
  ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'certificate'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'protocol'],
  ['ERR_SSL_BAD_EXTENSION', 'malformed'],
])('the error %s counts as %s', (code, result) => {
  expect(failureOf(code)).toBe(result);
  expect(handshakeResults).toHaveProperty(result);
});
