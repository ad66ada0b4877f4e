import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface PipelinedAnswer {
  readonly status: number;
  readonly headers: string;
  readonly body: Buffer;
}

/** Most requests of a socket that wait for their answers. */
const underWayMax = 64;

/**
 * GET requests of many simulated clients over one socket, pipelined: what real clients would ask over sockets of their
 * own. Answers have a `Content-Length`.
 */
export class PipelinedHttp {
  readonly #socket: Socket;
  readonly #headers: string;
  readonly #waiting: {
    readonly path: string;
    readonly resolve: (answer: PipelinedAnswer) => void;
    readonly reject: (fault: Error) => void;
  }[] = [];
  #underWay = 0;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, headers: string) {
    this.#socket = socket;
    this.#headers = headers;
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#read();
    });
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the socket has ended before its answers'));
    });
    socket.on('error', () => undefined);
  }

  /** @param headers further header lines, each with its line end */
  static async open(port: number, headers: string): Promise<PipelinedHttp> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new PipelinedHttp(socket, headers);
  }

  ask(path: string): Promise<PipelinedAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ path, resolve, reject });
      this.#write();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(): void {
    const next = this.#waiting.slice(this.#underWay, underWayMax);
    if (next.length === 0) return;
    this.#underWay += next.length;
    this.#socket.write(next.map(({ path }) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${this.#headers}\r\n`).join(''));
  }

  #read(): void {
    let at = 0;
    for (let head = this.#received.indexOf('\r\n\r\n', at); head >= 0; head = this.#received.indexOf('\r\n\r\n', at)) {
      const headers = this.#received.toString('latin1', at, head);
      const end = head + 4 + Number(/^content-length: (\d+)/im.exec(headers)?.[1]);
      if (this.#received.length < end) break;
      const body = this.#received.subarray(head + 4, end);
      at = end;
      this.#underWay--;
      this.#waiting.shift()?.resolve({ status: Number(headers.slice(9, 12)), headers, body });
    }
    this.#received = this.#received.subarray(at);
    this.#write();
  }
}
