import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTrialOptions } from '../../client/trial/options.ts';
import { Certificates } from '../support/certificates.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { TestStandalone } from '../support/standalone.ts';

const nobody = 'http://127.0.0.1:9';

async function trial(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['client/trial/main.ts', ...args], { env: { ...process.env, ...environment } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [status] = (await once(child, 'close')) as [number];
  return { status, stdout, stderr };
}

function addressesOf({ port, publisherPort }: TestStandalone): readonly string[] {
  return [`--gateway=ws://127.0.0.1:${port}`, `--publisher=http://127.0.0.1:${publisherPort}`];
}

test('a trial publishes a message and receives it', async () => {
  const standalone = await TestStandalone.start({ BARRAGE_API_KEYS: 'a-key-of-the-trial-01' });
  const { status, stdout, stderr } = await trial(addressesOf(standalone), { BARRAGE_API_KEY: 'a-key-of-the-trial-01' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^trial: a message to trial was published after \d+ ms and received after \d+ ms\n$/);
});

test(
  'a trial by TLS trusts the certificates of a mounted Secret, and says what is wrong with an address',
  { timeout: 60_000 },
  async () => {
    const [right, other] = [await Certificates.make('IP:127.0.0.1'), await Certificates.make('DNS:example.com')];
    onTestFinished(async () => void (await Promise.all([right, other].map((each) => each.dispose()))));
    const secret = await MountedSecret.of(right);
    await secret.add('ca.crt', await right.ca());
    const standalone = await TestStandalone.start(secret.settings);
    const secure = addressesOf(standalone).map((address) => address.replace('ws:', 'wss:').replace('http:', 'https:'));
    const trusting = (held: MountedSecret): string => `--certificates=${dirname(held.certFile)}`;
    expect(await trial([...secure, trusting(secret)])).toMatchObject({ status: 0, stderr: '' });

    const foreign = await MountedSecret.of(other);
    await foreign.add('ca.crt', await other.ca());
    const { port } = await TestStandalone.start(foreign.settings);
    const plain = await TestStandalone.start();
    const faults: readonly (readonly [string, readonly string[]])[] = [
      [`no trusted authority has signed the certificate of 127.0.0.1:${standalone.port} (`, secure],
      ['answers: this port speaks TLS: use https://', addressesOf(standalone)],
      [`127.0.0.1:${plain.port} speaks no TLS: use ws://`, [`--gateway=wss://127.0.0.1:${plain.port}`, secure[1] ?? '', trusting(secret)]],
      [`Make it for 127.0.0.1 too.`, [`--gateway=wss://127.0.0.1:${port}`, secure[1] ?? '', trusting(foreign)]],
      ['has no tls.crt: create the Secret', [...secure, '--certificates=/nowhere']],
    ];
    for (const [words, args] of faults) expect(await trial(args)).toMatchObject({ status: 1, stderr: expect.stringContaining(words) });
  },
);

test.each([
  ['a wrong key', [], 'another-key-of-trial', /publisher refused the message: HTTP 401/],
  ['a channel name that is too long', [`--channel=${'x'.repeat(4_000)}`], '', /gateway refused the subscription to x+: /],
])('a trial fails with the reason, before its time is over: %s', async (_, channel, key, reason) => {
  const standalone = await TestStandalone.start({ BARRAGE_API_KEYS: 'a-key-of-the-trial-01' });
  const { status, stderr } = await trial([...addressesOf(standalone), ...channel], { BARRAGE_API_KEY: key });
  expect(status).toBe(1);
  expect(stderr).toMatch(reason);
});

test('a trial ends at its time, and says who did not answer', async () => {
  const standalone = await TestStandalone.start();
  const [gateway = '', publisher = ''] = addressesOf(standalone);
  const noPublisher = await trial([gateway, `--publisher=${nobody}`, '--seconds=2']);
  expect(noPublisher).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/no message after 2\d{3} ms: the publisher took no message: ECONNREFUSED/),
  });
  const noGateway = await trial(['--gateway=ws://127.0.0.1:9', publisher, '--seconds=2']);
  expect(noGateway).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/no message after 2\d{3} ms: the connection to ws:\/\/127\.0\.0\.1:9\/ ended with 1006/),
  });
});

test.each([
  [['--publisher=http://a'], '--gateway is missing'],
  [['--gateway=http://a', '--publisher=http://a'], '--gateway "http://a": use an address that begins with ws:// or wss://'],
  [['--gateway=ws://a', '--publisher=a'], '--publisher "a"'],
  [['--gateway=ws://a', '--publisher=http://a', '--needs-key=make a Secret'], 'there is no API key: make a Secret'],
  [['--gateway=ws://a', '--publisher=http://a', '--seconds=601'], '--seconds "601" must be a whole number from 1 to 600'],
])('a command line that is wrong is answered with what to do: %j', (args, reason) => {
  expect(readTrialOptions(args, { BARRAGE_API_KEY: '' })).toEqual({ kind: 'fault', reason: expect.stringContaining(reason) });
});

test('keys come from the environment, and bounds are taken', () => {
  const args = ['--gateway=ws://a', '--publisher=http://a', '--seconds=600', '--needs-key=x'];
  expect(readTrialOptions(args, { BARRAGE_API_KEY: 'k', BARRAGE_TOKEN: '' })).toMatchObject({
    kind: 'options',
    options: { key: 'k', token: undefined, seconds: 600, channel: 'trial' },
  });
  expect(readTrialOptions(['-h'], {})).toEqual({ kind: 'help' });
});
