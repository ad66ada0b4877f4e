import { defineConfig } from 'vitest/config';

// Two cores: files one after the other in each of two workers. Real servers and a browser make some tests slow, never flaky.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/shared-clusters.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: ['default'],
  },
});
