import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes minutes, the longest first: begun last, it would be waited for by an idle worker. */
const long = ['operator/killed', 'operator/faults', 'operator/size', 'pods/outage', 'pods/', 'operator/idle'];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = long.findIndex((part) => moduleId.includes(part));
      return found === -1 ? long.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

// Two cores: files one after the other in each of two workers. Real servers and a browser make some tests slow, never
// flaky.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/shared-clusters.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What has a bound is tested by a figure of its own; a poll only waits.
    expect: { poll: { timeout: 15_000 } },
    maxWorkers: 2,
    reporters: ['default'],
    sequence: { sequencer: LongFirst },
  },
});
