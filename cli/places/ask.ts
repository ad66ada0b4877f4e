import { request as requestHttp, type Agent, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { readChunks } from '../../core/process/bounded-read.ts';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { tlsWords } from '../view/shown-certificate.ts';

export interface Question {
  readonly url: URL;
  /** How the process is reached; absent: by its URL. */
  readonly agent?: Agent | undefined;
  /** The process's name in a fault. */
  readonly name: string;
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Longest wait, in milliseconds. Absent: the usual bound. */
  readonly msMax?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks a gateway or publisher over HTTP. Every status is an answer.
 * @throws CommandFault `unreachable`, or the fault of the way there
 */
export async function ask(question: Question): Promise<{ readonly status: number; readonly text: string }> {
  const { url, agent, name, method = 'GET', headers = {}, body, msMax = bounds.answerMsMax, signal } = question;
  const timed = AbortSignal.any([AbortSignal.timeout(msMax), ...(signal === undefined ? [] : [signal])]);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)), 'content-type': 'application/json' };
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = send(
        url,
        { method, headers: { ...length, ...headers }, signal: timed, ...(agent === undefined ? {} : { agent }) },
        resolve,
      );
      request.once('error', reject);
      request.end(body);
    });
    const read = await readChunks(response as AsyncIterable<Buffer>, bounds.answerBytesMax);
    if (read.kind === 'too-large') throw new CommandFault('failed', `${name} answers more than ${bounds.answerBytesMax} bytes`);
    return { status: response.statusCode ?? 0, text: read.bytes.toString() };
  } catch (error) {
    if (error instanceof CommandFault) throw error;
    if (error instanceof Error && error.cause instanceof CommandFault) throw error.cause;
    const isLate = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
    const ofTls = url.protocol === 'https:' && error instanceof Error ? tlsWords(error) : undefined;
    const why = isLate ? `no answer within ${msMax / 1000} s` : (ofTls ?? wordsOf(error));
    throw new CommandFault('unreachable', `${name} can't be reached: ${why}`, { cause: error });
  }
}

/** Runs `work` for every item, at most `most` at a time, and keeps the order. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, lane));
  return results;
}
