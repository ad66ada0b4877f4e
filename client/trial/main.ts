import { randomUUID } from 'node:crypto';
import { Barrage } from '../barrage.ts';
import { PublishTarget } from '../replay/publish.ts';
import { readTrialOptions, usage } from './options.ts';
import { runTrial } from './trial.ts';

/** Exit statuses: 0 the message was received, or help was asked for; 1 it was not; 2 the command line is wrong. */
async function main(): Promise<number> {
  const read = readTrialOptions(process.argv.slice(2), process.env);
  if (read.kind === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (read.kind === 'fault') {
    process.stderr.write(`trial: ${read.reason}\n`);
    return 2;
  }
  const { gateway, publisher, channel, key, token, seconds } = read.options;
  // Another transport would hide that no WebSocket gets through.
  const client = new Barrage(gateway.href, { transports: ['websocket'], ...(token === undefined ? {} : { token }) });
  const target = new PublishTarget({ url: publisher, channel, key });
  try {
    const result = await runTrial({
      client,
      channel,
      text: `trial ${randomUUID()}`,
      publish: (payload, signal) => target.publish(payload, signal),
      signal: AbortSignal.timeout(seconds * 1000),
    });
    if (result.kind === 'failed') {
      process.stderr.write(`trial: ${result.reason}\n`);
      return 1;
    }
    process.stdout.write(
      `trial: a message to ${channel} was published after ${result.publishedMs} ms and received after ${result.receivedMs} ms\n`,
    );
    return 0;
  } finally {
    client.close();
    target.close();
  }
}

process.exitCode = await main();
