import { parseArgs } from 'node:util';
import { inside, Theatre } from '../demo/theatre.ts';

/**
 * Watches the demo's screen for a long time: `npm run soak -- [--minutes 10] [--rate 200]` publishes so many comments a
 * second, and prints every half minute what the page holds: JavaScript heap after garbage collection (MB), DOM nodes,
 * listeners. Growth is for the reader to judge: figures, no verdict.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '200' } } });
const minutes = Number(values.minutes);
const rate = Number(values.rate);
const sampleMs = 30_000;
const modes = ['scroll', 'scroll', 'scroll', 'top', 'bottom', 'reverse'] as const;

const theatre = await Theatre.open();
try {
  const { page, faults } = await theatre.page('/');
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const startedAt = performance.now();
  let sampledAt = startedAt;
  let published = 0;
  process.stdout.write('minute  published  received  heap MB  nodes  listeners  faults\n');
  while (performance.now() - startedAt < minutes * 60_000) {
    const due = Math.floor(((performance.now() - startedAt) * rate) / 1000);
    for (; published < due; published++) {
      const mode = modes[published % modes.length];
      await theatre.publish({ text: `弹幕 number ${published}`, mode, size: 25, color: '#ffffff' });
    }
    if (performance.now() - sampledAt >= sampleMs) {
      sampledAt += sampleMs;
      await session.send('HeapProfiler.collectGarbage');
      const { metrics } = await session.send('Performance.getMetrics');
      const figure = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? NaN;
      const { tally } = await inside(page);
      const row = [
        ((sampledAt - startedAt) / 60_000).toFixed(1).padStart(6),
        String(published).padStart(10),
        String(tally.publications).padStart(9),
        (figure('JSHeapUsedSize') / 1e6).toFixed(2).padStart(8),
        String(figure('Nodes')).padStart(6),
        String(figure('JSEventListeners')).padStart(10),
        String(faults.length).padStart(7),
      ];
      process.stdout.write(`${row.join(' ')}\n`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
} finally {
  await theatre.close();
}
