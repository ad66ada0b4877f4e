import { Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { durationBounds } from '../../../core/process/durations.ts';
import { OperationSeconds } from '../../../publisher/operation-seconds.ts';

test('a scrape reads the same as of the histogram of the library', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const about = { name: 'barrage_publisher_request_seconds', help: 'Some words.' };
  const seconds = new OperationSeconds(ours, about);
  const library = new Histogram({ ...about, labelNames: ['operation'], buckets: [...durationBounds], registers: [theirs] });
  expect(await ours.metrics()).toBe(await theirs.metrics());
  for (const value of [0, 0.0004, 0.0005, 0.00051, 0.3, 10, 10.5, 77]) {
    for (const operation of ['mesh.publish', 'conn.call'] as const) {
      seconds.observe(operation, value);
      library.observe({ operation }, value);
    }
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
