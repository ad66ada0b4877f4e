import { registerHooks } from 'node:module';

/** Starts gateway and publisher without a collector, and says how many modules of OpenTelemetry that has loaded. */
let count = 0;
registerHooks({
  load(url, context, nextLoad) {
    // The library of metrics brings the interface, which does nothing alone.
    if (/\/@opentelemetry\/(?!api\/)/.test(url)) count++;
    return nextLoad(url, context);
  },
});
const { startStandalone } = await import('../../standalone/standalone.ts');
const { readSettings } = await import('../../core/process/settings.ts');
const { createLogger } = await import('../../core/process/logging.ts');
const read = readSettings({ ...process.env, BARRAGE_GATEWAY_PORT: '0', BARRAGE_PUBLISHER_PORT: '0', BARRAGE_DRAIN_MS: '0' });
if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
const running = await startStandalone(read.settings, createLogger({ part: 'test', level: 'silent' }));
process.stdout.write(`${count} modules of OpenTelemetry\n`);
await running.close();
