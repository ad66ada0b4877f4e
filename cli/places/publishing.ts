import type { Agent } from 'node:http';
import { CommandFault } from '../fault.ts';
import { unconfirmedWords } from '../view/publication-line.ts';
import { ask } from './ask.ts';

/** Where publications go, and by which key. */
export interface PublisherEnd {
  readonly url: URL;
  readonly agent?: Agent | undefined;
  readonly name: string;
  readonly key: string | undefined;
  /** Where the key is from, in words; for the refusal of a wrong one. */
  readonly keySource: string;
}

/** The publish API's own fields: `docs/publish-api.md`. */
export interface PublishRequest {
  readonly c: string;
  readonly d: string;
  readonly t?: 'text' | 'binary';
  readonly priority?: string;
  readonly wait?: 'delivered';
}

/** The publisher's result. */
export interface PublishResult {
  readonly s: number;
  readonly f: number;
  readonly offset: number;
  readonly epoch: string;
  readonly dropped?: Readonly<Record<string, number>>;
  readonly pending?: number;
  readonly unanswered?: readonly string[];
}

/** Longest wait for an answer, in milliseconds: a `wait` of the publisher and some more. */
const answerMsMax = 20_000;

/** Publishes. @throws CommandFault with what the publisher refuses, and what to do */
export async function publish({ url, agent, name, key, keySource }: PublisherEnd, request: PublishRequest): Promise<PublishResult> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const body = JSON.stringify(request);
  const { status, text } = await ask({
    url: new URL('/v1/mesh/publish', url),
    agent,
    name,
    method: 'POST',
    headers,
    body,
    msMax: answerMsMax,
  });
  const answer = readAnswer(text);
  if (status === 200 && answer?.r !== undefined) return answer.r;
  const words = answer?.E?.m ?? `status ${status}`;
  if (status === 401)
    throw new CommandFault('refused', `${name} refuses the key (${key === undefined ? 'there was none' : keySource}): ${words}`);
  if (status === 404)
    throw new CommandFault('failed', `${name} has no publish API: is this the publisher's port (6789, and not the gateway's)?`);
  if (status === 429 || status === 413 || status === 400 || status === 415) throw new CommandFault('refused', `not published: ${words}`);
  throw new CommandFault('failed', `${unconfirmedWords(answer?.E?.published)}: ${name} says: ${words}`);
}

function readAnswer(
  text: string,
): { readonly E?: { readonly m?: string; readonly published?: unknown } | null; readonly r?: PublishResult } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
