import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import type { Line, Tone } from './view/table.ts';
import { fitted } from './view/terminal-text.ts';

export interface TerminalStreams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const styles: Readonly<Record<Exclude<Tone, 'plain'>, Parameters<typeof styleText>[0]>> = {
  heading: 'bold',
  good: 'green',
  bad: 'red',
  quiet: 'dim',
};

/** The top left corner, with everything behind it cleared. */
const clearScreen = '\u001b[H\u001b[J';

/** Where a command reads and writes. Colours and cursor movements go to terminals only, and never with NO_COLOR. */
export class Terminal {
  readonly #streams: TerminalStreams;
  /** Fires when the user interrupts the command. */
  readonly signal: AbortSignal;

  constructor(streams: TerminalStreams, signal: AbortSignal) {
    this.#streams = streams;
    this.signal = signal;
  }

  /** Writes to standard output, and waits while its reader is slow. */
  async write(text: string): Promise<void> {
    const { stdout } = this.#streams;
    if (!stdout.write(text)) await once(stdout, 'drain', { signal: this.signal }).catch(() => {});
  }

  async lines(lines: readonly Line[]): Promise<void> {
    await this.write(lines.map((each) => `${this.#painted(each)}\n`).join(''));
  }

  /** Writes a page in the place of the last one. Elsewhere than on a terminal, pages follow each other. */
  async page(lines: readonly Line[], isFirst: boolean): Promise<void> {
    const { isTTY, columns = 0, rows = 0 } = this.#streams.stdout;
    if (isTTY !== true) return this.lines(isFirst ? lines : [{ text: '', tone: 'plain' }, ...lines]);
    // A terminal that does not tell its size has none to keep to.
    const height = rows > 1 ? rows - 1 : lines.length;
    const shown = lines.slice(0, height).map(({ text, tone }) => ({ text: columns > 0 ? fitted(text, columns) : text, tone }));
    await this.write(clearScreen + shown.map((each) => `${this.#painted(each)}\n`).join(''));
  }

  /** A remark to the user, which is no part of the result. */
  note(text: string): void {
    this.#streams.stderr.write(`${text}\n`);
  }

  /** The user's word on a question. @returns `undefined` where nobody can be asked */
  async confirmed(question: string): Promise<boolean | undefined> {
    const { stdin, stderr } = this.#streams;
    if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
    const reader = createInterface({ input: stdin, output: stderr });
    try {
      return /^y(?:es)?$/i.test((await reader.question(`${question} [y/N] `, { signal: this.signal })).trim());
    } finally {
      reader.close();
    }
  }

  /** Standard input, up to a bound. @throws Error beyond it */
  async input(bytesMax: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this.#streams.stdin) {
      const part = Buffer.from(chunk as Buffer);
      bytes += part.length;
      if (bytes > bytesMax) throw new Error(`standard input has more than ${bytesMax} bytes`);
      chunks.push(part);
    }
    return Buffer.concat(chunks);
  }

  /** Standard input as it arrives. */
  get stdin(): AsyncIterable<Buffer> {
    return this.#streams.stdin as unknown as AsyncIterable<Buffer>;
  }

  #painted({ text, tone }: Line): string {
    if (tone === 'plain' || text === '') return text;
    return styleText(styles[tone], text, { stream: this.#streams.stdout as NodeJS.WriteStream });
  }
}
