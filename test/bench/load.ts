import { createInterface } from 'node:readline';

const payloadBytes = 200;
const payloadStart = '{"event":"@video","data":{"uid":1001,"video_id":100001,"msg":"#seq=';
const payloadEnd = '"}}';
const filler = ' comments fly over the video'.repeat(8);

/**
 * A payload of 200 bytes with the marker that `sink.c` counts: its sequence number, and when it was made, in
 * nanoseconds of the machine's monotonic clock.
 */
export function payloadOf(sequence: number): Buffer {
  const marker = `${String(sequence).padStart(12, '0')},${String(process.hrtime.bigint()).padStart(19, '0')}`;
  const start = `${payloadStart}${marker}`;
  return Buffer.from(`${start}${filler.slice(0, payloadBytes - start.length - payloadEnd.length)}${payloadEnd}`);
}

export interface Load {
  /** Publishes one payload. */
  publish(payload: Buffer): void;
  /** Figures of the server itself, asked for by `figures`. */
  figures?(): Promise<unknown>;
  /** Begins to give up its connections. */
  drain?(connectionsPerSecond: number): void;
}

/**
 * Obeys the harness on standard input, and ends the process with it:
 * `publish RATE BURST COUNT` publishes COUNT payloads at RATE a second, BURST at a time, then prints `published COUNT`;
 * `figures` prints one line of JSON; `drain RATE` gives up RATE connections a second.
 */
export function obeyHarness(port: number, load: Load): void {
  let sequence = 0;
  const publish = (rate: number, burst: number, count: number): void => {
    const last = sequence + count;
    const startedAt = performance.now();
    let ticks = 0;
    const tick = (): void => {
      // A late tick makes up for what was due, like the C loop, so that the rate holds.
      while (sequence < last && performance.now() >= startedAt + (ticks * burst * 1000) / rate) {
        for (let index = 0; index < burst && sequence < last; index++) load.publish(payloadOf(++sequence));
        ticks++;
      }
      if (sequence < last) setTimeout(tick, Math.max(1, Math.ceil(startedAt + (ticks * burst * 1000) / rate - performance.now())));
      else process.stdout.write(`published ${count}\n`);
    };
    tick();
  };
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const [command, ...numbers] = line.split(' ');
    const [rate = 0, burst = 0, count = 0] = numbers.map(Number);
    if (command === 'publish') publish(rate, burst, count);
    else if (command === 'drain') load.drain?.(rate);
    else if (command === 'figures') void load.figures?.().then((figures) => process.stdout.write(`${JSON.stringify(figures)}\n`));
  });
  lines.on('close', () => process.exit(0));
  process.stdout.write(`listening ${port}\n`);
}
