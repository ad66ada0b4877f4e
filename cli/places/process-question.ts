import type { Agent } from 'node:http';
import { readAdminStatus } from '../../core/pool/admin-status.ts';
import { CommandFault } from '../fault.ts';
import { operationsElsewhere, waitingIn } from '../view/port-words.ts';
import type { ProcessAnswer } from '../view/reading.ts';
import { readSamples } from '../view/samples.ts';
import { ask } from './ask.ts';

/** A process's admin port, or the main port where it has none. */
export interface AdminEnd {
  readonly url: URL;
  readonly agent?: Agent | undefined;
  readonly name: string;
}

/**
 * Asks a process for its status and metrics. A silent process is an answer too.
 * @param now Unix milliseconds, read when the answer is there
 * @throws CommandFault for a missing right: no other process would answer either
 */
export async function questionProcess({ url, agent, name }: AdminEnd, now: () => number): Promise<ProcessAnswer> {
  try {
    const status = await ask({ url: new URL('/admin/v1/status', url), agent, name });
    const metrics = await ask({ url: new URL('/metrics', url), agent, name });
    if (metrics.status === 400) return { kind: 'silent', why: `answers /metrics with: ${metrics.text.trim().slice(0, 200)}` };
    if (metrics.status === 404) return { kind: 'silent', why: operationsElsewhere };
    if (metrics.status !== 200) return { kind: 'silent', why: `answers /metrics with status ${metrics.status}: is it a gateway's port?` };
    const told = status.status === 200 ? readAdminStatus(status.text) : undefined;
    const waitingFor = told?.waitingFor ?? (await waitingOf({ url, agent, name }));
    return { kind: 'told', at: now(), status: told, waitingFor, samples: readSamples(metrics.text) };
  } catch (error) {
    if (!(error instanceof CommandFault) || error.kind === 'refused') throw error;
    return { kind: 'silent', why: `silent: ${error.message}` };
  }
}

async function waitingOf({ url, agent, name }: AdminEnd): Promise<readonly string[]> {
  const { status, text } = await ask({ url: new URL('/readyz', url), agent, name });
  return waitingIn(status, text);
}
