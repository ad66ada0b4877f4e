import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';
import { Policies, type ChannelPolicy } from '../policy/policy.ts';
import { runElsewhere } from './elsewhere.ts';
import type { Logger } from './logging.ts';
import { faults, type PolicyTextRead } from './policy-text.ts';

/** Largest policy file, in bytes: that of a ConfigMap. */
export const policyFileBytesMax = 1_048_576;
const pollMsDefault = 1_000;

/** The policy file can't be used; `message` lists every fault. Only at start: later the policies that were in force stay. */
class PolicyFileFault extends Error {
  override readonly name = 'PolicyFileFault';
  readonly code = 'policy_file_fault';
}

/** A policy file that is read again when it changes. */
export interface PolicyFile {
  /** The policies in force: those of the last good content. */
  policies(): Policies;
  /** Whether the file as it is now is what is in force. */
  valid(): boolean;
  /** The listener is called after other policies came into force. */
  onChange(listener: () => void): void;
  close(): void;
}

/**
 * Reads a policy file, and looks every second whether its content changed (by reading it: a ConfigMap is a chain of symbolic links that
 * are exchanged, which file watchers miss). A file that went bad or vanished keeps the policies that were in force, and is logged once.
 * @throws PolicyFileFault where the file can't be used at start
 */
export async function watchPolicyFile(path: string, logger: Logger, options: { readonly pollMs?: number } = {}): Promise<PolicyFile> {
  const first = await readContent(path);
  const read = await readPolicies(first);
  if (read.kind === 'faults') throw new PolicyFileFault(`the policy file ${path} can't be used:\n${lines(read.faults)}`);
  const file = new WatchedPolicyFile({ path, logger, pollMs: options.pollMs ?? pollMsDefault, content: first, policies: read.policies });
  file.watch();
  return file;
}

/** Registers `barrage_policy_file_valid`: 1, or 0 where the file as it is now could not be used. */
export function exportPolicyFileValidity(registry: Registry, file: PolicyFile): void {
  new Gauge({
    name: 'barrage_policy_file_valid',
    help: 'Whether the policy file as it is now is in force: 1, or 0 where older policies are, since it could not be used.',
    registers: [registry],
    collect() {
      this.set(file.valid() ? 1 : 0);
    },
  });
}

type Content = { readonly kind: 'content'; readonly text: string } | { readonly kind: 'unreadable'; readonly fault: string };

async function readContent(path: string): Promise<Content> {
  try {
    // Without O_NONBLOCK opening a named pipe waits for a writer.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) return { kind: 'unreadable', fault: 'it is not a file' };
    if (stat.size > policyFileBytesMax) return { kind: 'unreadable', fault: `it is larger than ${policyFileBytesMax} bytes` };
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(stat.size), 0, stat.size, 0);
    const bytes = buffer.subarray(0, bytesRead);
    return isUtf8(bytes) ? { kind: 'content', text: bytes.toString() } : { kind: 'unreadable', fault: 'it is not UTF-8' };
  } catch (error) {
    return { kind: 'unreadable', fault: `it can't be read: ${(error as NodeJS.ErrnoException).message}` };
  }
}

/** Parses in a thread of its own: a file at its bound takes a second or more, in which a gateway would send nothing. `signal` gives it up. */
async function readPolicies(content: Content, signal?: AbortSignal): Promise<PolicyTextRead> {
  if (content.kind === 'unreadable') return faults([content.fault]);
  const parsed = await runElsewhere<PolicyTextRead>(new URL('./policy-text-worker.ts', import.meta.url), content.text, signal);
  return parsed.kind === 'done' ? parsed.output : faults([parsed.fault]);
}

function lines(faultLines: readonly string[]): string {
  return faultLines.map((fault) => `  ${fault}`).join('\n');
}

interface WatchedOptions {
  readonly path: string;
  readonly logger: Logger;
  readonly pollMs: number;
  readonly content: Content;
  readonly policies: readonly ChannelPolicy[];
}

class WatchedPolicyFile implements PolicyFile {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #pollMs: number;
  readonly #listeners: (() => void)[] = [];
  #content: Content;
  #policies: Policies;
  /** The content that the policies in force were read from: that it is back is no change. */
  #inForce: string;
  #valid = true;
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchedOptions) {
    this.#path = options.path;
    this.#logger = options.logger;
    this.#pollMs = options.pollMs;
    this.#content = options.content;
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
    clearTimeout(this.#timer);
  }

  /** Looks again after `pollMs`, one look at a time. */
  watch(): void {
    this.#timer = setTimeout(() => {
      void this.#look().then(() => {
        if (!this.#closed.signal.aborted) this.watch();
      });
    }, this.#pollMs).unref();
  }

  async #look(): Promise<void> {
    const content = await readContent(this.#path);
    if (content.kind === this.#content.kind && textOf(content) === textOf(this.#content)) return;
    const read = await readPolicies(content, this.#closed.signal);
    if (!this.#closed.signal.aborted) this.#take(content, read);
  }

  #take(content: Content, read: PolicyTextRead): void {
    this.#content = content;
    if (read.kind === 'faults') {
      this.#valid = false;
      this.#logger.error(
        { file: this.#path, faults: read.faults },
        `the policy file ${this.#path} can't be used, the policies that were in force stay:\n${lines(read.faults)}`,
      );
      return;
    }
    this.#valid = true;
    if (textOf(content) === this.#inForce) {
      this.#logger.info({ file: this.#path }, 'the policy file is again the one that is in force');
      return;
    }
    this.#inForce = textOf(content);
    this.#policies = new Policies(read.policies);
    this.#logger.info({ file: this.#path, policies: read.policies.length }, 'the policies of the changed file are in force');
    for (const listener of this.#listeners) listener();
  }
}

function textOf(content: Content): string {
  return content.kind === 'content' ? content.text : content.fault;
}
