import { createPrivateKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../core/process/system-clock.ts';
import { readPair } from '../../core/tls/certificate-pair.ts';
import { watchCertificate } from '../../core/tls/watched-certificate.ts';
import { tlsSecretFault } from '../../operator/decide/secret-values.ts';
import { Certificates } from '../support/certificates.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { recordedLog, type RecordedLog } from '../support/recorded-log.ts';

let first: Certificates;
let second: Certificates;
let cert: string;
let key: string;
const dayMs = 86_400_000;

beforeAll(async () => {
  [first, second] = await Promise.all([Certificates.make(), Certificates.make('DNS:second.example')]);
  [cert, key] = await Promise.all([readFile(first.certificateFile, 'utf8'), readFile(first.keyFile, 'utf8')]);
});

afterAll(async () => {
  await Promise.all([first.dispose(), second.dispose()]);
});

/** A watched pair whose wall clock runs `aheadMs` before the machine's. */
async function watch(
  secret: MountedSecret,
  clock = { aheadMs: 0 },
): Promise<RecordedLog & { pair: Awaited<ReturnType<typeof watchCertificate>> }> {
  const log = recordedLog();
  const { certFile, keyFile } = secret;
  const times = { ...systemClock, wall: () => Date.now() + clock.aheadMs };
  const pair = await watchCertificate({ certFile, keyFile }, { logger: log.logger, pollMs: 5, clock: times });
  onTestFinished(() => pair.close());
  return { ...log, pair };
}

test('a pair is good from its beginning to its end', () => {
  const now = Date.now();
  expect(readPair({ cert, key }, now)).toMatchObject({ kind: 'good', pair: { subject: 'IP Address:127.0.0.1' } });
  expect(readPair({ cert, key }, now - dayMs)).toMatchObject({
    kind: 'out-of-date',
    fault: expect.stringMatching(/is good from .*Z only$/),
  });
  expect(readPair({ cert, key }, now + 2 * dayMs)).toMatchObject({
    kind: 'out-of-date',
    fault: expect.stringMatching(/has expired at .*Z$/),
  });
});

test('a pair that cannot work is told with its fault, and with nothing of the key', async () => {
  const otherKey = await readFile(second.keyFile, 'utf8');
  const locked = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }).toString();
  const cases = [
    [{ cert: '', key }, 'the certificate file holds no certificate in PEM'],
    [{ cert: key, key: cert }, 'the certificate file holds no certificate in PEM'],
    [{ cert, key: '' }, 'the key file holds no private key in PEM'],
    [{ cert, key: locked }, 'or one with a passphrase'],
    [{ cert, key: otherKey }, 'the key is not that of the first certificate (IP Address:127.0.0.1) in the file'],
    [{ cert: `${cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, key }, "TLS can't use the pair"],
  ] as const;
  for (const [pair, fault] of cases) {
    const read = readPair(pair, Date.now());
    expect(read, fault).toMatchObject({ kind: 'unusable', fault: expect.stringContaining(fault) });
    const [, secretLine = ''] = pair.key.split('\n');
    expect(secretLine !== '' && JSON.stringify(read).includes(secretLine), fault).toBe(false);
  }
});

test('a changed Secret comes into force; a certificate without its key is kept out, told and counted', async () => {
  const secret = await MountedSecret.of(first);
  const { pair, lines } = await watch(secret);
  let changes = 0;
  pair.onChange(() => changes++);
  await secret.hold(second, first);
  await expect.poll(() => pair.counts, { timeout: 15_000 }).toEqual({ loaded: 1, refused: 1 });
  expect([pair.isValid, pair.pair.cert, changes]).toEqual([false, cert, 0]);
  await secret.write('', '');
  await expect.poll(() => pair.counts.refused, { timeout: 15_000 }).toBe(2);
  await secret.hold(second);
  await expect.poll(() => pair.isValid, { timeout: 15_000 }).toBe(true);
  expect(pair.pair.subject).toBe('DNS:second.example');
  expect([pair.counts, changes]).toEqual([{ loaded: 2, refused: 2 }, 1]);
  expect(lines.map(({ event, reason = '' }) => `${event} ${String(reason)}`)).toEqual([
    'certificate-taken ',
    'certificate-refused the key is not that of the first certificate (DNS:second.example) in the file',
    expect.stringContaining('certificate-refused the certificate file holds no certificate'),
    'certificate-taken ',
  ]);
});

test('an expired certificate is kept out; where it is the only one at the start it is shown, and told', async () => {
  const secret = await MountedSecret.of(first);
  const clock = { aheadMs: 0 };
  const running = await watch(secret, clock);
  clock.aheadMs = 3 * dayMs;
  await secret.hold(second);
  await expect.poll(() => running.pair.counts.refused, { timeout: 15_000 }).toBe(1);
  expect(running.pair.pair.cert).toBe(cert);
  const started = await watch(secret, clock);
  expect([started.pair.pair.subject, started.pair.isValid]).toEqual(['DNS:second.example', false]);
  expect(started.lines.map(({ event }) => event)).toEqual(['certificate-taken', 'certificate-refused']);
});

test('a process does not start with a pair that cannot work, and says which file', async () => {
  const secret = await MountedSecret.of(first);
  await secret.hold(first, second);
  await expect(watch(secret)).rejects.toThrow(/tls\.crt with .*tls\.key: the key is not that of the first certificate/);
  const { logger } = recordedLog();
  const files = { certFile: secret.certFile, keyFile: '/nowhere/tls.key' };
  await expect(watchCertificate(files, { logger })).rejects.toThrow(/\/nowhere\/tls\.key: it can't be read: ENOENT/);
  await writeFile(secret.certFile, Buffer.alloc(1_048_577, 'a'));
  await expect(watchCertificate({ certFile: secret.certFile, keyFile: secret.keyFile }, { logger })).rejects.toThrow(
    /tls\.crt: it is larger than 1048576 bytes/,
  );
});

test('the operator judges a Secret as a pod will, but for its dates', async () => {
  const fault = (values: Readonly<Record<string, string>>, type?: string): string | undefined =>
    tlsSecretFault(type, (name) => values[name]);
  const ofTls = 'kubernetes.io/tls';
  expect(fault({ 'tls.crt': cert, 'tls.key': key }, ofTls)).toBeUndefined();
  expect(fault({ 'tls.crt': cert, 'tls.key': key })).toContain('is of the type Opaque, not kubernetes.io/tls');
  expect(fault({ 'tls.key': key }, ofTls)).toContain('no certificate in PEM under the key tls.crt');
  expect(fault({ 'tls.crt': cert }, ofTls)).toContain('no private key in PEM');
  const otherKey = await readFile(second.keyFile, 'utf8');
  expect(fault({ 'tls.crt': cert, 'tls.key': otherKey }, ofTls)).toContain('the key of another certificate');
});
