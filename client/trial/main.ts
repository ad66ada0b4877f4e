import { randomUUID } from 'node:crypto';
import { Barrage } from '../barrage.ts';
import { PublishTarget } from '../replay/publish.ts';
import { addressFault, trustFolder } from './address-check.ts';
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
  const { gateway, publisher, channel, key, token, certificates, seconds } = read.options;
  const beganAt = performance.now();
  const signal = AbortSignal.timeout(seconds * 1000);
  const failed = (reason: string): number => {
    process.stderr.write(`trial: ${reason}\n`);
    return 1;
  };
  try {
    if (certificates !== undefined) trustFolder(certificates);
  } catch (error) {
    return failed((error as Error).message);
  }
  // A WebSocket does not tell why its handshake failed.
  const faults = await Promise.all([gateway, publisher].map(async (address) => addressFault(address, signal)));
  const fault = faults.find((each) => each !== undefined);
  if (fault !== undefined) return failed(fault);
  // Another transport would hide that no WebSocket gets through.
  const client = new Barrage(gateway.href, { transports: ['websocket'], ...(token === undefined ? {} : { token }) });
  const target = new PublishTarget({ url: publisher, channel, key });
  try {
    const result = await runTrial({
      client,
      channel,
      text: `trial ${randomUUID()}`,
      publish: (payload, signal) => target.publish(payload, signal),
      beganAt,
      signal,
    });
    if (result.kind === 'failed') return failed(result.reason);
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
