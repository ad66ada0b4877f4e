import { readFileSync } from 'node:fs';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

const answerMsMax = 10_000;
const wordsMax = 300;

/**
 * Trusts what a mounted `kubernetes.io/tls` Secret holds, besides the usual authorities: `ca.crt` where it has one, and
 * `tls.crt`.
 * @throws Error with what to do where neither is there
 */
export function trustFolder(folder: string): void {
  const found = ['ca.crt', 'tls.crt'].flatMap((name) => {
    try {
      return [readFileSync(join(folder, name), 'utf8')];
    } catch {
      return [];
    }
  });
  if (found.every((text) => text.trim() === ''))
    throw new Error(
      `${folder} has no tls.crt: create the Secret of the type kubernetes.io/tls that is mounted there, in the pool's namespace`,
    );
  setDefaultCACertificates([...getCACertificates('default'), ...found.filter((text) => text.trim() !== '')]);
}

/**
 * Why no client can speak to this address, with the remedy: its certificate, or TLS where the other side speaks none.
 * @returns `undefined` where it can, and for a server that can't be reached: that may pass
 */
export async function addressFault({ protocol, host, hostname }: URL, signal: AbortSignal): Promise<string | undefined> {
  const isSecure = protocol === 'wss:' || protocol === 'https:';
  const url = new URL(`${isSecure ? 'https' : 'http'}://${host}/v1/connect`);
  try {
    const words = await beginningOfAnswer(url, AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]));
    const hint = "with helm test: name the pool's Secret by test.tlsSecret.name";
    return words.includes('this port speaks TLS') ? `${host} answers: ${words} (${hint})` : undefined;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return `the certificate of ${host} is for other hosts. Make it for ${hostname} too. ${message}`;
    if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${host} has expired: put a new one into its Secret`;
    if (/CERT|SIGNATURE|ISSUER/.test(code))
      return `no trusted authority has signed the certificate of ${host} (${code}): put that of its authority into its Secret, as ca.crt or at the end of tls.crt`;
    return /wrong version number/.test(message) ? `${host} speaks no TLS: use ws:// and http://` : undefined;
  }
}

async function beginningOfAnswer(url: URL, signal: AbortSignal): Promise<string> {
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    send(url, { agent: false, signal }, resolve).once('error', reject).end();
  });
  let words = '';
  for await (const chunk of response) {
    words += String(chunk);
    if (words.length > wordsMax) break;
  }
  return words.trim().slice(0, wordsMax);
}
