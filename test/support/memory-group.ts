import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A limit of memory for a process, as a container has it: a memory cgroup of either version. The kernel ends a process
 * that needs more. Without the right to make one there is no limit, and `isLimited` says so.
 */
export class MemoryGroup {
  readonly #folder: string | undefined;
  readonly #version: 1 | 2;

  /** @param bytes the limit */
  constructor(name: string, bytes: number) {
    this.#version = existsSync('/sys/fs/cgroup/memory') ? 1 : 2;
    const folder = join(this.#version === 1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup', `${name}-${process.pid}`);
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, this.#version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
      this.#folder = folder;
    } catch {
      this.#folder = undefined;
    }
  }

  get isLimited(): boolean {
    return this.#folder !== undefined;
  }

  /** Takes in a process. What it has allocated already is not counted. */
  takeIn(pid: number): void {
    if (this.#folder !== undefined) writeFileSync(join(this.#folder, 'cgroup.procs'), String(pid));
  }

  /** Ends the group, which must be empty. */
  close(): void {
    if (this.#folder !== undefined) rmdirSync(this.#folder);
  }
}

/** The most memory that a living process has had resident, in bytes. */
export function peakResidentBytes(pid: number): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1]) * 1024;
}
