import { readOptions, usage } from './options.ts';
import { sizingReport } from './report.ts';
import { sizeOf } from './size.ts';

/** Exit statuses: 0 the size or help was printed; 1 no pool is that large; 2 the command line is wrong. */
function main(): number {
  const options = readOptions(process.argv.slice(2));
  if (options.kind === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (options.kind === 'fault') {
    process.stderr.write(`sizing: ${options.reason}\n\n${usage}`);
    return 2;
  }
  try {
    process.stdout.write(`${sizingReport(sizeOf(options.demand, options.margins))}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    process.stderr.write(`sizing: ${error.message}\n`);
    return 1;
  }
}

process.exitCode = main();
