import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { onTestFinished } from 'vitest';
import { Certificates } from '../../support/certificates.ts';
import { startHaproxy } from '../../support/haproxy.ts';
import { startNginx } from '../../support/nginx.ts';

const page = 'docs/ingress.md';

/** A gateway or publisher behind a proxy: its port for clients, and the port of its /readyz. */
export interface Backend {
  readonly port: number;
  readonly readyPort: number;
}

/** What stands behind a proxy of the page, and what differs from the page. */
export interface Behind {
  readonly gateways: readonly [Backend, Backend];
  readonly publisher: Backend;
  /** In place of the page's 75 s, in seconds. */
  readonly idleSeconds: number;
  /** Lines of nginx's main context, or of HAProxy's section `global`. */
  readonly more?: string;
}

/** A proxy that runs. */
export interface Edge {
  readonly port: number;
  /** Process ids of its workers, those from before a reload among them. */
  workers(): Promise<readonly number[]>;
  reload(): void;
}

/** Makes certificates for `localhost` and `publish.example.com` that this process trusts, until the test's end. */
export async function trustedCertificates(): Promise<Certificates> {
  const certificates = await Certificates.make('DNS:localhost,DNS:publish.example.com');
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, await certificates.ca()]);
  onTestFinished(async () => {
    setDefaultCACertificates(before);
    await certificates.dispose();
  });
  return certificates;
}

/** The page's nginx in front of these backends. Ends with the test. */
export async function nginxEdge(certificates: Certificates, behind: Behind): Promise<Edge> {
  const text = await blockOf('nginx');
  const nginx = await startNginx(
    ({ port, folder }) =>
      replaced(text, [
        ['listen 443 ', `listen 127.0.0.1:${port} `],
        ['server_name live.example.com;', 'server_name localhost;'],
        ['/etc/nginx/live/tls.crt', certificates.certificateFile],
        ['/etc/nginx/live/tls.key', certificates.keyFile],
        ['/var/cache/nginx/barrage', `${folder}/cache`],
        ['75s', `${behind.idleSeconds}s`],
        ...backends(behind).map(([address, { port: own }]): [string, string] => [address, `127.0.0.1:${own}`]),
      ]),
    behind.more,
  );
  onTestFinished(() => nginx.stop());
  return nginx;
}

/** The page's HAProxy in front of these backends. Ends with the test. */
export async function haproxyEdge(certificates: Certificates, behind: Behind): Promise<Edge> {
  const text = await blockOf('haproxy');
  const haproxy = await startHaproxy(async ({ port, folder }) => {
    const pem = join(folder, 'live.pem');
    await copyFile(certificates.certificateFile, pem);
    await writeFile(pem, await readFile(certificates.keyFile), { flag: 'a' });
    return replaced(text, [
      ['global\n', `global\n    ${behind.more ?? ''}\n`],
      // Each needs two open files.
      ['maxconn 100000', 'maxconn 2000'],
      ['bind :443 ', `bind 127.0.0.1:${port} `],
      ['/etc/haproxy/live.pem', pem],
      ['75s', `${behind.idleSeconds}s`],
      ...backends(behind).map(([address, { port: own, readyPort }]): [string, string] => [
        `${address} check port 6780`,
        `127.0.0.1:${own} check port ${readyPort}`,
      ]),
    ]);
  });
  onTestFinished(() => haproxy.stop());
  return haproxy;
}

function backends({ gateways, publisher }: Behind): readonly (readonly [string, Backend])[] {
  return [
    ['10.0.0.7:6790', gateways[0]],
    ['10.0.0.8:6790', gateways[1]],
    ['10.0.0.9:6789', publisher],
  ];
}

async function blockOf(language: string): Promise<string> {
  const blocks = [...(await readFile(page, 'utf8')).matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))];
  if (blocks.length !== 1) throw new Error(`${page} has ${blocks.length} blocks of ${language}`);
  return blocks[0]?.[1] ?? '';
}

/** @throws Error where the text lacks what is to be replaced: the page says something else then */
function replaced(text: string, pairs: readonly (readonly [string, string])[]): string {
  for (const [from, to] of pairs) {
    if (!text.includes(from)) throw new Error(`${page} does not have: ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
