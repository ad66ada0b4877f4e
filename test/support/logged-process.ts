import { expect } from 'vitest';
import { processLines } from '../../core/process/log-lines.ts';
import type { LogTable } from '../../core/process/journal.ts';
import { gatewayLines } from '../../gateway/accounts/log-lines.ts';
import { publisherLines } from '../../publisher/log-lines.ts';
import { standaloneLines } from '../../standalone/log-lines.ts';
import { TestProcess } from './process.ts';
import type { RecordedLine } from './recorded-log.ts';

const tables: LogTable = { ...processLines, ...gatewayLines, ...publisherLines, ...standaloneLines };
const fieldsOfAll = ['time', 'level', 'part', 'event', 'message'];

/** The all-in-one command as its own process, with the log of `debug`. It ends with the test. */
export class LoggedProcess {
  readonly process: TestProcess;
  readonly gatewayPort: number;
  readonly publisherPort: number;

  private constructor(process: TestProcess, gatewayPort: number, publisherPort: number) {
    this.process = process;
    this.gatewayPort = gatewayPort;
    this.publisherPort = publisherPort;
  }

  static async start(variables: Readonly<Record<string, string>> = {}): Promise<LoggedProcess> {
    const ports = { BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0' };
    const started = new TestProcess('standalone/main.ts', { ...ports, BARRAGE_LOG_LEVEL: 'debug', BARRAGE_DRAIN_MS: '0', ...variables });
    const [gatewayPort, publisherPort] = await started.said(
      /ws:\/\/localhost:(\d+)\/[\s\S]*http:\/\/localhost:(\d+)\/v1\/mesh\/publish[\s\S]*Ctrl-C/,
    );
    return new LoggedProcess(started, Number(gatewayPort), Number(publisherPort));
  }

  /** All that it logged so far. Each line is JSON, of a documented kind, and has no field that is not documented. */
  lines(): readonly RecordedLine[] {
    const whole = this.process.stderr.slice(0, this.process.stderr.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((text) => {
        const line = JSON.parse(text) as RecordedLine;
        const table = tables[line.event];
        expect(line).toMatchObject({
          level: table?.level,
          message: table?.message,
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        });
        expect(Object.keys(line).filter((field) => !fieldsOfAll.includes(field) && table?.fields.includes(field) !== true)).toEqual([]);
        return line;
      });
  }

  /** The lines of this event. */
  of(event: string): readonly RecordedLine[] {
    return this.lines().filter((line) => line.event === event);
  }

  /** Whether it has logged such a line about this user. A quick look. */
  said(event: string, user: string): boolean {
    return this.process.stderr.split('\n').some((line) => line.includes(`"event":"${event}"`) && line.includes(`"user":"${user}"`));
  }
}
