import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const headEnd = Buffer.from('\r\n\r\n');
const wantedStart = Buffer.from('HTTP/1.1 200 ');

/** Connections that are kept alive, each with at most one request under way. */
export class HttpLoad {
  readonly #requests: readonly Buffer[];
  #next = 0;
  readonly #sockets: Socket[] = [];
  #failures = 0;
  /** Connections without a request under way, and requests that wait for one. */
  readonly #free: Socket[] = [];
  #waiting = 0;
  #left = 0;
  #done: () => void = () => {};

  /** @param bodies posted as JSON, one after the other, again and again */
  constructor(path: string, bodies: readonly string[]) {
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: `;
    this.#requests = bodies.map((body) => Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`));
  }

  async connect(port: number, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      this.#listen(socket);
      this.#sockets.push(socket);
      this.#free.push(socket);
    }
  }

  /** Answers that were not 200, and connections that broke. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Sends so many requests at a rate, and resolves when all are answered. One that is due while every connection waits
   * goes with the next answer.
   */
  async run(requests: number, perSecond: number): Promise<void> {
    this.#left = requests;
    const startedAt = performance.now();
    let sent = 0;
    const tick = (): void => {
      // A late tick makes up for what was due, so that the rate holds.
      const due = Math.min(requests, Math.floor(((performance.now() - startedAt) * perSecond) / 1000));
      for (; sent < due; sent++) this.#send();
      if (sent < requests) setTimeout(tick, 1);
    };
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      tick();
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => this.#failures++);
    socket.on('data', (data: Buffer) => {
      const bytes = rest.length === 0 ? data : Buffer.concat([rest, data]);
      const end = bytes.indexOf(headEnd);
      const length = end < 0 ? undefined : /content-length: (\d+)/i.exec(bytes.toString('latin1', 0, end))?.[1];
      if (length === undefined || bytes.length < end + headEnd.length + Number(length)) {
        rest = bytes;
        return;
      }
      rest = Buffer.alloc(0);
      if (bytes.compare(wantedStart, 0, wantedStart.length, 0, wantedStart.length) !== 0) this.#failures++;
      if (this.#waiting > 0) {
        this.#waiting--;
        this.#write(socket);
      } else {
        this.#free.push(socket);
      }
      if (--this.#left === 0) this.#done();
    });
  }

  #send(): void {
    const socket = this.#free.shift();
    if (socket === undefined) this.#waiting++;
    else this.#write(socket);
  }

  #write(socket: Socket): void {
    const request = this.#requests[this.#next++ % this.#requests.length];
    if (request !== undefined) socket.write(request);
  }
}
