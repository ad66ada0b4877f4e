import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { secured } from '../../cli/kube/secured.ts';
import { certificateFault, serviceHosts, type ExpectedCertificate } from '../../cli/view/shown-certificate.ts';
import { Certificates } from '../support/certificates.ts';
import { MountedSecret } from '../support/mounted-secret.ts';
import { TestStandalone } from '../support/standalone.ts';
import { InstalledCommandLine, type Ended } from './command-line.ts';

let installed: InstalledCommandLine;
let pool: Certificates;
let renewed: Certificates;
let stranger: Certificates;

beforeAll(async () => {
  installed = await InstalledCommandLine.install();
  const names = 'DNS:live-publish.shows.svc,IP:127.0.0.1';
  [pool, renewed, stranger] = await Promise.all([Certificates.make(names), Certificates.make(names), Certificates.make('DNS:example.com')]);
});
afterAll(async () => {
  await installed.remove();
  await Promise.all([pool, renewed, stranger].map((each) => each.dispose()));
});

const hosts = serviceHosts('live-publish', 'shows');

async function holds(certificates: Certificates, authority?: Certificates): Promise<ExpectedCertificate> {
  const own = await readFile(certificates.certificateFile, 'utf8');
  return { secret: 'live-tls', own, authority: await authority?.ca(), unread: undefined, hosts };
}

/** A stream to the publisher's port of a process that ends TLS, as a port-forward is one. */
async function dial(certificates: Certificates, expected: ExpectedCertificate): Promise<string> {
  const { publisherPort } = await TestStandalone.start((await MountedSecret.of(certificates)).settings);
  const stream = connect(publisherPort, '127.0.0.1');
  onTestFinished(() => void stream.destroy());
  const socket = await secured(stream, 'live-publisher-1', expected);
  socket.end('GET /livez HTTP/1.1\r\nhost: live-publish\r\nconnection: close\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  await once(stream, 'close');
  return answer.split('\r\n')[0] ?? '';
}

test("the Secret's own certificate is trusted whatever its names, and one that its authority signed for the Service or the Secret's names", async () => {
  expect(await dial(pool, await holds(pool))).toBe('HTTP/1.1 200 OK');
  expect(await dial(stranger, await holds(stranger))).toBe('HTTP/1.1 200 OK');
  expect(await dial(renewed, await holds(pool, renewed))).toBe('HTTP/1.1 200 OK');
});

test('a certificate of somebody else, or of another name, or at its end, is refused with what to do', async () => {
  const elsewhere = dial(renewed, await holds(pool, pool));
  await expect(elsewhere).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(
      /^live-publisher-1 shows a certificate for live-publish\.shows\.svc that no trusted authority has signed \(\w+\), and that is not the one in the Secret live-tls\. Pods take a changed Secret within two minutes/,
    ),
  });
  await expect(dial(stranger, await holds(pool, stranger))).rejects.toMatchObject({
    kind: 'refused',
    message: 'live-publisher-1 shows a certificate for example.com, and not for live-publish.shows.svc: make it for this name too.',
  });
  const unread = "The Secret live-tls with its certificate can't be read: no right.";
  await expect(dial(pool, { ...(await holds(pool)), own: undefined, unread })).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringContaining(`${unread} Or name its authority in the variable NODE_EXTRA_CA_CERTS`),
  });
  const shown = { certificate: new X509Certificate(await readFile(pool.certificateFile)), chainFault: undefined };
  const threeDays = 3 * 86_400_000;
  expect(certificateFault(shown, await holds(pool), Date.now())).toBeUndefined();
  expect(certificateFault(shown, await holds(pool), Date.now() + threeDays)).toMatch(
    /^shows a certificate that ended at \S+: put a new one into the Secret live-tls\./,
  );
});

test('a peer that speaks no TLS is told', async () => {
  const server = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const stream = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await expect(secured(stream, 'live-0', await holds(pool))).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/^live-0 has no handshake of TLS: /),
  });
});

test('barrage by URLs speaks https and wss, and says what is wrong with a scheme or an authority', { timeout: 60_000 }, async () => {
  const { port, publisherPort } = await TestStandalone.start((await MountedSecret.of(pool)).settings);
  const place = (scheme: string): readonly string[] => [
    '--url',
    `${scheme}://127.0.0.1:${port}`,
    '--publisher-url',
    `${scheme}://127.0.0.1:${publisherPort}`,
  ];
  const trusting = { NODE_EXTRA_CA_CERTS: pool.caFile };
  const run = (args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    installed.run('barrage', args, variables);
  const tail = installed.start('barrage', ['tail', 'video:1', '--limit', '1', ...place('https')], trusting);
  await tail.said(/subscribed to video:1/);
  expect(await run(['publish', 'video:1', 'by TLS', ...place('https')], trusting)).toMatchObject({ status: 0, stderr: '' });
  expect(await tail.ended()).toMatchObject({ status: 0, stdout: expect.stringContaining('#1  by TLS') });
  expect((await run(['top', ...place('https')], trusting)).stdout).toMatch(/serving|127\.0\.0\.1/);

  const [unknown, plain, plainTop, unknownTail] = await Promise.all([
    run(['publish', 'video:1', 'x', ...place('https')]),
    run(['publish', 'video:1', 'x', ...place('http')]),
    run(['top', ...place('http')]),
    run(['tail', 'video:1', ...place('https')]),
  ]);
  const authority =
    "can't be reached: no authority that is known here has signed its certificate. Name that authority in the variable NODE_EXTRA_CA_CERTS";
  expect(unknown).toMatchObject({ status: 5, stderr: expect.stringContaining(authority) });
  expect(plain).toMatchObject({ status: 4, stderr: expect.stringContaining('this port speaks TLS: use https://') });
  expect(`${plainTop.stdout}${plainTop.stderr}`).toContain('this port speaks TLS: use https://');
  const { port: plainPort } = await TestStandalone.start();
  expect(await run(['publish', 'video:1', 'x', '--publisher-url', `https://127.0.0.1:${plainPort}`])).toMatchObject({
    status: 5,
    stderr: expect.stringContaining("can't be reached: its port speaks no TLS: use http://"),
  });
  expect(unknownTail).toMatchObject({ status: 5, stderr: expect.stringContaining(authority) });
});
