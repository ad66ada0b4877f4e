import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createMemoryBus } from '../../../core/bus/memory.ts';
import type { CloseCode } from '../../../core/close-codes.ts';
import { limits } from '../../../core/limits.ts';
import { Policies } from '../../../core/policy/policy.ts';
import { createLogger } from '../../../core/process/logging.ts';
import { gatewayJournal } from '../../../gateway/accounts/log-lines.ts';
import { ClientPublishing } from '../../../gateway/commands/client-publishing.ts';
import { CommandTurns } from '../../../gateway/commands/command-turns.ts';
import { Session, type Dialect } from '../../../gateway/commands/session.ts';
import { v1Encoding } from '../../../gateway/encoding/encodings.ts';
import { Connection } from '../../../gateway/connections/connection.ts';
import { GatewayMetrics } from '../../../gateway/accounts/metrics.ts';
import { DoneFlushes } from '../../../gateway/rooms/done-flushes.ts';
import type { ClassRecord } from '../../../gateway/rooms/flush-records.ts';
import { FanOut } from '../../../gateway/rooms/fan-out.ts';
import { Rooms } from '../../../gateway/rooms/rooms.ts';
import { gauges } from '../../simulation/gateway.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

/** A session of the product whose commands take until the test lets them end. */
class Conversation {
  readonly clock = new FakeClock();
  readonly carriedOut: string[] = [];
  closed: CloseCode | undefined;
  readonly #ends: (() => void)[] = [];
  readonly #session: Session;

  constructor() {
    const wire = {
      socket: { writableLength: 0, write: () => true, once() {} } as unknown as Duplex,
      close: (code: CloseCode) => {
        this.closed = code;
      },
      terminate() {},
    };
    const connection = new Connection({ id: 1, encoding: v1Encoding, wire, now: 0, onClose() {} });
    const dialect: Dialect = {
      execute: (text) => {
        this.carriedOut.push(text);
        return new Promise((resolve) => this.#ends.push(resolve));
      },
      refuse() {},
    };
    const { log } = createMemoryBus();
    const metrics = new GatewayMetrics(new Registry(), gauges);
    const logger = createLogger({ part: 'test', level: 'silent' });
    const fanOut = new FanOut({ clock: this.clock, onSlice() {} });
    const surroundings = { fanOut, metrics, clock: this.clock, done: new DoneFlushes<readonly ClassRecord[]>() };
    this.#session = new Session(connection, dialect, {
      rooms: new Rooms({ log, policies: new Policies([]), surroundings, logger, share: 0.6 }),
      authenticate: () => Promise.resolve({ kind: 'refused', reason: 'no token is asked for' }),
      publishing: new ClientPublishing(log),
      countMembers: () => Promise.resolve({ kind: 'members', members: 0 }),
      metrics,
      journal: gatewayJournal(logger, this.clock),
      clock: this.clock,
      turns: new CommandTurns({ clock: new FakeClock(), metrics }),
    });
  }

  say(bytes: number): void {
    this.#session.message(Buffer.alloc(bytes, 'x'), 'text');
  }

  sayBinary(): void {
    this.#session.message(Buffer.alloc(1), 'binary');
  }

  async endOne(): Promise<void> {
    this.#ends.shift()?.();
    await settle();
  }
}

const half = limits.clientFrameBytesMax / 2;
const fitting = limits.controlQueueBytesMax / half;

test('what was carried out is taken off the bytes that wait: a client that is never far ahead is never closed', async () => {
  const talk = new Conversation();
  talk.say(half);
  for (let sent = 0; sent < fitting; sent++) talk.say(half);
  for (let round = 0; round < 4 * fitting; round++) {
    await talk.endOne();
    talk.clock.time += 1000;
    talk.say(half);
    expect(talk.closed).toBeUndefined();
  }
  expect(talk.carriedOut).toHaveLength(1 + 4 * fitting);
});

test('commands may wait up to their bound of bytes; one byte more is 4003, and says which bound', () => {
  const talk = new Conversation();
  for (let sent = 0; sent <= fitting; sent++) talk.say(half);
  expect(talk.closed).toBeUndefined();
  talk.say(1);
  expect(talk.closed).toMatchObject({ code: 4003, reason: expect.stringContaining(`${limits.controlQueueBytesMax} bytes`) });
});

test('commands may wait up to their bound in number; one more is 4003, and says which bound', () => {
  const talk = new Conversation();
  for (let sent = 0; sent <= limits.commandsInFlightMax; sent++) {
    talk.clock.time += 1000;
    talk.say(1);
  }
  expect(talk.closed).toBeUndefined();
  talk.say(1);
  expect(talk.closed).toMatchObject({
    code: 4003,
    reason: expect.stringContaining(`one connection may have ${limits.commandsInFlightMax}`),
  });
});

test('a flood is 4003 with the rate, a binary message 4500 with what to send', () => {
  const flood = new Conversation();
  for (let sent = 0; sent <= 2 * limits.commandsPerSecondMax; sent++) flood.say(1);
  expect(flood.closed).toMatchObject({ code: 4003, reason: expect.stringContaining(`${limits.commandsPerSecondMax} a second`) });
  const binary = new Conversation();
  binary.sayBinary();
  expect(binary.closed).toMatchObject({ code: 4500, reason: 'this message is binary; commands are JSON in text messages' });
});
