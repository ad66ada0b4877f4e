import { isIP } from 'node:net';
import { z } from 'zod';
import { readOrigin } from '../origin.ts';
import { limits } from '../limits.ts';
import { publicKeyFault } from '../pool/signed-envelope.ts';
import { readRange } from './client-address.ts';

/**
 * Readers of settings' values. A value that can never work is refused here: a process that starts with it would fail
 * for its clients, unseen. A check's own message names the fault of this value; it never repeats a secret.
 */
export type ValueSchema<T> = z.ZodType<T, string>;

/** A fault with its own words, marked as such: the schema library's words are not shown. */
function inWords(message: string): { code: 'custom'; message: string; params: { inWords: true } } {
  return { code: 'custom', message, params: { inWords: true } };
}

/** The message that a check added itself, if any. */
export function messageOf(error: z.ZodError): string | undefined {
  return error.issues.find((issue) => issue.code === 'custom' && issue.params?.['inWords'] === true)?.message;
}

/** A whole number in digits alone: people read `1e3`, `0x10` and `10_000` differently. */
export function whole(minimum: number, maximum: number): ValueSchema<number> {
  return z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum));
}

/** The items between commas, without spaces around them. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** API keys, each of which a header can carry. */
export const apiKeys = list.pipe(z.array(z.string().regex(/^[\x21-\x7e]{16,256}$/)));

const namespace = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
export const namespaceName = z.string().regex(namespace);
export const namespaceNames = list.pipe(z.array(z.string().regex(namespace)));
const label =
  /^((?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)=((?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?)$/;
/** Labels of Kubernetes, at least one. */
export const labels = list
  .pipe(z.array(z.string().regex(label)).min(1))
  .transform((items): Readonly<Record<string, string>> => Object.fromEntries(items.map((item) => item.split('=') as [string, string])));
/** Name of a Kubernetes object: a DNS name. */
export const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
/** `namespace/name` of a Kubernetes object; empty: none. */
export const namespacedName = z.string().regex(/^(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\/[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)?$/);

const hostNamePattern = /^(?=.{1,253}$)\w(?:[\w-]{0,61}\w)?(?:[.]\w(?:[\w-]{0,61}\w)?)*[.]?$/;
/** Names ending in a number, which the system's resolver takes for addresses. */
const endsInNumber = /(?:^|[.])(?:\d+|0x[\da-f]*)[.]?$/i;

/** A host to listen on. Brackets around an IPv6 address are taken off. */
export const host = z
  .string()
  .transform((text) => text.replace(/^\[(.*)\]$/, '$1'))
  .refine((text) => isIP(text) !== 0 || (hostNamePattern.test(text) && !endsInNumber.test(text)));

/** Origins in the canonical spelling that browsers send, or `*`. */
export const origins = list.transform((items, context) =>
  items.map((item) => {
    if (item === '*') return item;
    const read = readOrigin(item);
    if (read.kind === 'origin') return read.origin;
    context.addIssue(inWords(read.message));
    return z.NEVER;
  }),
);

/** Ranges of addresses in CIDR notation. */
export const addressRanges = list.transform((items, context) => {
  if (items.length > limits.trustedProxiesMax) context.addIssue(inWords(`it names more than ${limits.trustedProxiesMax} ranges`));
  return items.map((item) => {
    const range = readRange(item);
    if (range !== undefined) return range;
    context.addIssue(inWords(`${JSON.stringify(item.slice(0, 64))} is no IP address and no range such as 10.0.0.0/8`));
    return z.NEVER;
  });
});

/**
 * Ports that `fetch` never connects to.
 * @see https://fetch.spec.whatwg.org/#port-blocking
 */
const blockedPorts = new Set(
  (
    '1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 ' +
    '427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 ' +
    '6566 6665 6666 6667 6668 6669 6679 6697 10080'
  ).split(' '),
);

/** An address for `fetch`. A user and a password are sent as `Authorization: Basic`. */
export const webUrl = z.string().superRefine((text, context) => {
  if (text === '') return;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname.includes('*')) {
    context.addIssue({ code: 'custom' });
  } else if (!isDecodable(url.username + url.password)) {
    context.addIssue(inWords('a percent sign in its user or password must be written %25'));
  } else if (blockedPorts.has(url.port)) {
    context.addIssue(inWords(`fetch connects to no port ${url.port}: let the service listen on another one`));
  }
});

/** A public key. In an environment variable its line ends are often written as `\n`. */
export const publicKey = z
  .string()
  .transform((text) => text.replaceAll('\\n', '\n').trim())
  .refine((pem) => pem === '' || publicKeyFault(pem) === undefined);

export const redisUrls = z.string().superRefine((text, context) => {
  if (text === '') return;
  for (const part of text.split(',')) {
    const url = URL.parse(part.trim());
    if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
      context.addIssue({ code: 'custom' });
    } else if (url.search !== '' || url.hash !== '') {
      context.addIssue(inWords('it has a part behind ? or #, which nothing reads; in a user or password they are written %3F and %23'));
    } else if (!isDecodable(url.username + url.password)) {
      context.addIssue(inWords('a percent sign in its user or password must be written %25'));
    } else if (url.port === '0') {
      context.addIssue(inWords('no server listens on port 0'));
    }
  }
});

/** A claim of a token, without characters that no issuer writes on purpose. */
export const claim = z
  .string()
  .max(1024)
  .regex(/^\P{Cc}*$/u);

/** A secret, taken verbatim. Only the line end of its file is removed: no secret has one. */
const secret = z.string().transform((text) => text.replace(/\r?\n$/, ''));

export const password = secret.pipe(z.string().max(1024));
export const sharedSecret = secret.pipe(z.union([z.literal(''), z.string().min(32).max(4096)]));

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
