import { readGauge } from './read-metrics.ts';
import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { Policies, type ChannelPolicy } from '../policy/policy.ts';
import { readTextFile } from './bounded-read.ts';
import { runElsewhere } from './elsewhere.ts';
import { processJournal, type ProcessJournal } from './log-lines.ts';
import type { Logger } from './logging.ts';
import { faults, type PolicyTextRead } from './policy-text.ts';
import { systemClock } from './system-clock.ts';

/** Largest policy file, in bytes: the bound of a ConfigMap. */
export const policyFileBytesMax = 1_048_576;
const pollMsDefault = 1_000;
/** Pause between two looks at the start, in milliseconds: a file that is being written grows meanwhile. */
const startPauseMs = 100;
const startLooksMax = 50;

/**
 * The policy file can't be used; `message` lists every fault. Thrown at the start only: later the policies in force
 * stay.
 */
class PolicyFileFault extends Error {
  override readonly name = 'PolicyFileFault';
  readonly code = 'policy_file_fault';
}

/** A policy file that is read again whenever it changes. */
export interface PolicyFile {
  /** The policies in force, from the last good content. */
  policies(): Policies;
  /** Whether the file's present content is in force. */
  valid(): boolean;
  /** Adds a listener that is called after other policies came into force. */
  onChange(listener: () => void): void;
  close(): void;
}

/**
 * Reads a policy file, and looks every second for a change by reading it. File watchers miss a ConfigMap's changes: it
 * is a chain of symbolic links that are exchanged. A file that turns bad or vanishes keeps the policies in force, and
 * is logged once.
 *
 * A content counts when two looks in a row found it. A program that writes a file in place empties it first. Half a
 * file can be valid, and its missing policies would become the defaults.
 * @throws PolicyFileFault when the file can't be used at the start
 */
export async function watchPolicyFile(
  path: string,
  logger: Logger,
  { pollMs = pollMsDefault, clock = systemClock }: { readonly pollMs?: number; readonly clock?: Pick<Clock, 'after'> } = {},
): Promise<PolicyFile> {
  const first = await readSteadyContent(path, clock);
  const read = await readPolicies(first);
  if (read.kind === 'faults') throw new PolicyFileFault(`the policy file ${path} can't be used:\n${lines(read.faults)}`);
  const file = new WatchedPolicyFile({ path, logger, pollMs, clock, content: first, policies: read.policies });
  file.watch();
  return file;
}

/** Registers `barrage_policy_file_valid`: 1, or 0 when the file's present content can't be used. */
export function exportPolicyFileValidity(registry: Registry, file: Pick<PolicyFile, 'valid'>): void {
  readGauge(
    registry,
    { name: 'barrage_policy_file_valid', help: '0 while the policy file is wrong and older policies are in force; otherwise 1.' },
    () => (file.valid() ? 1 : 0),
  );
}

type Content = { readonly kind: 'content'; readonly text: string } | { readonly kind: 'unreadable'; readonly fault: string };

async function readContent(path: string): Promise<Content> {
  try {
    return { kind: 'content', text: await readTextFile(path, policyFileBytesMax) };
  } catch (error) {
    return { kind: 'unreadable', fault: (error as Error).message };
  }
}

/** Reads at the start until two looks in a row find the same content. Without that it takes the last content found. */
async function readSteadyContent(path: string, clock: Pick<Clock, 'after'>): Promise<Content> {
  let content = await readContent(path);
  for (let looks = 1; looks < startLooksMax; looks++) {
    await new Promise<void>((resolve) => clock.after(startPauseMs, resolve));
    const before = content;
    content = await readContent(path);
    if (isSame(content, before)) break;
  }
  return content;
}

/** `isPassing`: the same content may be read at another time. */
type PolicyRead = PolicyTextRead & { readonly isPassing?: boolean };

/**
 * Parses in a thread of its own: a file at its bound takes a second or more, in which a gateway would send nothing.
 * `signal` aborts it.
 */
async function readPolicies(content: Content, signal?: AbortSignal): Promise<PolicyRead> {
  if (content.kind === 'unreadable') return faults([content.fault]);
  const parsed = await runElsewhere<PolicyTextRead>(new URL('./policy-text-worker.ts', import.meta.url), content.text, signal);
  return parsed.kind === 'done' ? parsed.output : { ...faults([parsed.fault]), isPassing: parsed.isPassing === true };
}

function lines(faultLines: readonly string[]): string {
  return faultLines.map((fault) => `  ${fault}`).join('\n');
}

interface WatchedOptions {
  readonly path: string;
  readonly logger: Logger;
  readonly pollMs: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly content: Content;
  readonly policies: readonly ChannelPolicy[];
}

class WatchedPolicyFile implements PolicyFile {
  readonly #path: string;
  readonly #journal: ProcessJournal;
  readonly #pollMs: number;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #listeners: (() => void)[] = [];
  /** The content that was judged last. */
  #content: Content;
  /** The content that the last look found. */
  #seen: Content;
  #policies: Policies;
  /** The content of the policies in force: its return is no change. */
  #inForce: string;
  #valid = true;
  readonly #closed = new AbortController();
  #stopTimer = (): void => {};

  constructor(options: WatchedOptions) {
    this.#path = options.path;
    this.#journal = processJournal(options.logger);
    this.#pollMs = options.pollMs;
    this.#clock = options.clock;
    this.#content = options.content;
    this.#seen = options.content;
    this.#inForce = textOf(options.content);
    this.#policies = new Policies(options.policies);
  }

  policies(): Policies {
    return this.#policies;
  }

  valid(): boolean {
    return this.#valid;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#closed.abort();
    this.#stopTimer();
  }

  /** Looks again after `pollMs`, one look at a time. */
  watch(): void {
    this.#stopTimer = this.#clock.after(this.#pollMs, () => {
      void this.#look().then(() => {
        if (!this.#closed.signal.aborted) this.watch();
      });
    });
  }

  async #look(): Promise<void> {
    const content = await readContent(this.#path);
    const isSteady = isSame(content, this.#seen);
    this.#seen = content;
    if (!isSteady || isSame(content, this.#content)) return;
    const read = await readPolicies(content, this.#closed.signal);
    if (!this.#closed.signal.aborted) this.#take(content, read);
  }

  #take(content: Content, read: PolicyRead): void {
    // After a passing fault the next look reads it again. It is told once.
    if (read.isPassing === true && !this.#valid) return;
    if (read.isPassing !== true) this.#content = content;
    if (read.kind === 'faults') {
      this.#valid = false;
      this.#journal.write('policy-file-refused', { file: this.#path, faults: read.faults });
      return;
    }
    this.#valid = true;
    if (textOf(content) === this.#inForce) {
      this.#journal.write('policy-file-mended', { file: this.#path });
      return;
    }
    this.#inForce = textOf(content);
    this.#policies = new Policies(read.policies);
    this.#journal.write('policy-file-changed', { file: this.#path, policies: read.policies.length });
    for (const listener of this.#listeners) listener();
  }
}

function isSame(one: Content, other: Content): boolean {
  return one.kind === other.kind && textOf(one) === textOf(other);
}

function textOf(content: Content): string {
  return content.kind === 'content' ? content.text : content.fault;
}
