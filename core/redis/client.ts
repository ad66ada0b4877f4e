import assert from 'node:assert/strict';
import { AbstractConnector, Redis } from 'ioredis';
import * as answers from 'ioredis/built/DataHandler.js';

type Connection = AbstractConnector['connect'] extends (...args: never[]) => Promise<infer S> ? S : never;

const connections = new WeakMap<object, Connection>();

// The client listens for one error of a connection. Node tells a connection of TLS a second one: a broken record, which
// leaves it open, and then the reset; or a refused certificate, and then the server's alert. An error without a
// listener ends the process. The client's questions to Sentinels have connectors, too, and none of our own.
Object.defineProperty(AbstractConnector.prototype, 'stream', {
  configurable: true,
  get(this: object) {
    return connections.get(this);
  },
  set(this: object, connection: Connection) {
    connections.set(this, connection);
    connection.on('error', () => connection.destroy());
  },
});

/** What the client calls with each answer of a server. */
interface AnswerReader {
  dispatch(read: () => void): void;
  returnFatalError(error: unknown): void;
}

// The client throws what an answer breaks to nobody, which ends the process: an answer that nobody asked for, taken for
// that of a SSUBSCRIBE. Here it ends the connection, as a broken encoding does.
// Node gives a module of CommonJS whole as its default, and other loaders its own default.
const found = answers.default as unknown as
  | { readonly prototype: AnswerReader }
  | { readonly default: { readonly prototype: AnswerReader } };
const reader = 'default' in found ? found.default.prototype : found.prototype;
assert(typeof reader.dispatch === 'function', 'the Redis client has no dispatch any more: see how it calls with answers now');
reader.dispatch = function (this: AnswerReader, read) {
  try {
    read();
  } catch (error) {
    this.returnFatalError(error instanceof Error ? error : new Error(String(error)));
  }
};

/** The client of Redis. A connection ends with its first error or unusable answer, and nothing of it is thrown. */
export { Redis };
