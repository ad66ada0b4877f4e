import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes a minute or more, the longest first: begun last, it would be waited for by idle workers. */
const long = [
  'operator/faults',
  'operator/size',
  'operator/killed',
  'pods/bus-change',
  'operator/rollout',
  'pods/redis-tls',
  'operator/leaving',
  'pods/outage',
  'test/pods/',
  'operator/exposure',
  'operator/idle',
  'operator/load',
  'test/chaos/chaos',
  'test/bus/bus-change',
  'end-to-end/network',
  'end-to-end/outage',
  'test/kubernetes/',
  'monitoring/alerts',
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = long.findIndex((part) => moduleId.includes(part));
      return found === -1 ? long.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

// Files one after the other in each of three workers. Two cores: tests wait for pods, timers and browsers more than half
// of their time. Real servers and a browser make some tests slow, never flaky.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/shared-clusters.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What has a bound is tested by a figure of its own; a poll only waits.
    expect: { poll: { timeout: 15_000 } },
    maxWorkers: 3,
    reporters: ['default'],
    sequence: { sequencer: LongFirst },
  },
});
