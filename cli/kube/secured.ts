import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { certificateFault, type ExpectedCertificate } from '../view/shown-certificate.ts';

/**
 * TLS over a stream to a pod. Nothing is sent before the pod's certificate has been judged.
 * @param stream ends with the result. It ends too where this throws.
 * @throws CommandFault `refused` for a certificate that is not the pool's, else `unreachable`
 */
export async function secured(stream: Duplex, pod: string, expected: ExpectedCertificate): Promise<TLSSocket> {
  const { authority, hosts } = expected;
  const socket = connect({
    socket: stream,
    servername: hosts[0] ?? '',
    ALPNProtocols: ['http/1.1'],
    ...(authority === undefined ? {} : { ca: authority }),
    // A certificate that no authority has signed may be the Secret's own: it is judged below, and so are its names.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  // A connection that nobody uses yet may break.
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(bounds.answerMsMax) });
  } catch (error) {
    socket.destroy();
    if (error instanceof CommandFault) throw error;
    const why = error instanceof Error && error.name === 'AbortError' ? `no answer within ${bounds.answerMsMax / 1000} s` : wordsOf(error);
    throw new CommandFault('unreachable', `${pod} has no handshake of TLS: ${why}`, { cause: error });
  }
  const certificate = socket.getPeerX509Certificate();
  const chainFault = socket.authorized ? undefined : String(socket.authorizationError);
  const fault = certificate === undefined ? 'shows no certificate' : certificateFault({ certificate, chainFault }, expected, Date.now());
  if (fault === undefined) return socket;
  socket.destroy();
  throw new CommandFault('refused', `${pod} ${fault}`);
}
