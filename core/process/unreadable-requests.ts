import { maxHeaderSize, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { lastAnswer, type PlainAnswer } from './plain-answer.ts';

/** How a port answers what it can't read as a request. */
export interface UnreadableAnswers {
  /** The words of a refusal in the port's own form. */
  readonly form: (words: string) => PlainAnswer;
  /** Called for each; the socket is closed afterwards. */
  readonly onUnreadable?: (error: NodeJS.ErrnoException, socket: Socket) => void;
  /** Whether a socket carries something else by now: nothing may be written to it. */
  readonly isTaken?: (socket: Socket) => boolean;
}

/** The status (RFC 9110 15.5, RFC 6585 5) of input that is no request, or none in time, and what to do, in words. */
function faultOf({ code, message }: NodeJS.ErrnoException): { readonly status: number; readonly words: string } {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { status: 408, words: 'the request did not arrive whole in time: send it at once' };
  if (code === 'HPE_HEADER_OVERFLOW')
    return { status: 431, words: `the address and the headers of a request may have ${maxHeaderSize} bytes together: send fewer` };
  const why = message.replace(/^Parse Error:? */, '');
  return { status: 400, words: `this is no request of HTTP/1.1${why === '' ? '' : ` (${why})`}: send one as RFC 9112 has it` };
}

/** Answers on a server what is no request, or expects what no server here does. */
export function answerUnreadable(server: Server, { form, onUnreadable, isTaken }: UnreadableAnswers): void {
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    if (isTaken?.(socket) === true) return void socket.destroy();
    onUnreadable?.(error, socket);
    // Whoever leaves answers unread would not read this one, and would keep the socket.
    if (!socket.writable || socket.writableLength > 0 || hasAnswerBegun(socket)) return void socket.destroy();
    const { status, words } = faultOf(error);
    // The socket is destroyed, since a client that keeps its side open would keep this side open too.
    socket.once('finish', () => socket.destroy());
    socket.end(lastAnswer(status, form(words)));
  });
  server.on('checkExpectation', ({ headers }, response) => {
    const { contentType, body } = form(`Expect: only 100-continue is known here, and not ${JSON.stringify(headers.expect?.slice(0, 40))}`);
    response.writeHead(417, { 'content-type': contentType, 'content-length': Buffer.byteLength(body), connection: 'close' }).end(body);
  });
}

/** Whether a part of an answer was sent, by a private field of the platform: another would stand in its middle. */
function hasAnswerBegun(socket: Socket & { readonly _httpMessage?: { readonly headersSent: boolean } | null }): boolean {
  return socket._httpMessage?.headersSent === true;
}
