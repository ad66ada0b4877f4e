import { createHash, hash } from 'node:crypto';
import { z } from 'zod';
import { channelNameFault } from '../channel.ts';
import type { ChannelPolicy } from '../policy/policy.ts';
import { readPolicies, readPolicyPart, type PolicyMisfits } from '../policy/policy-part.ts';
import { openEnvelope, sealEnvelope } from './signed-envelope.ts';

/** Bounds of a pool document. A ConfigMap holds the document, and further ConfigMaps hold its policies. */
export const poolLimits = {
  /** Largest document, in UTF-8 bytes. Document and envelope must fit in a ConfigMap of 1 MiB. */
  documentBytesMax: 786_432,
  gatewaysMax: 2_000,
  overridesMax: 2_000,
  gatewaysPerOverrideMax: 64,
  /** Largest policy part, in UTF-8 bytes. */
  policyPartBytesMax: 524_288,
  policyPartsMax: 64,
} as const;

const podName = z.string().min(1).max(253);
const gatewayUrl = z.url({ protocol: /^wss?$/ }).max(2_048);
/** One gateway of a document. */
export const gatewaySchema = z.object({
  /** The pod's name, which placement hashes and overrides name. */
  name: podName,
  /** The pod's UID. */
  uid: z.string().min(1).max(128),
  /** URL at which clients reach this gateway and no other. */
  url: gatewayUrl,
  /** Share of channels relative to other gateways. Weight 0 hosts only what no other gateway can. */
  weight: z.number().min(0).max(1_000),
  state: z.enum(['serving', 'draining']),
});

/** The policies that a document names. */
export const policiesSchema = z.object({
  /** @see policiesHash */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  parts: z.int().min(0).max(poolLimits.policyPartsMax),
});

/** Name of one of a pool's buses. The settings of a process say what it means. */
export const busId = z.string().regex(/^[a-z0-9]{1,16}$/);

/** The buses of a pool while it changes from one to another. */
export const poolBusSchema = z
  .object({
    /** The bus to which every process appends. */
    publishTo: busId,
    /** The buses from which every process receives, `publishTo` among them. */
    listenTo: z.array(busId).min(1).max(4),
  })
  .refine(({ publishTo, listenTo }) => listenTo.includes(publishTo), 'publishTo is not in listenTo')
  .refine(({ listenTo }) => new Set(listenTo).size === listenTo.length, 'a bus stands twice in listenTo')
  .readonly();

/** Unknown fields are ignored: older pods must understand the document of a newer operator. */
const documentSchema = z
  .object({
    version: z.literal(1),
    /** `<namespace>/<name>` of the GatewayPool. */
    pool: z.string().regex(/^[^/\s]{1,63}\/[^/\s]{1,253}$/),
    /** Number of the document within its pool, rising. */
    epoch: z.int().min(1),
    hashSeed: z.int().min(0),
    gateways: z.array(gatewaySchema).max(poolLimits.gatewaysMax),
    overrides: z
      .array(
        z.object({
          channel: z.string().refine((name) => channelNameFault(name) === undefined, 'not a channel name'),
          gateways: z.array(podName).min(1).max(poolLimits.gatewaysPerOverrideMax),
        }),
      )
      .max(poolLimits.overridesMax),
    policies: policiesSchema,
    bus: poolBusSchema.optional(),
  })
  .superRefine(({ gateways, overrides }, context) => {
    for (const [path, names] of [
      ['gateways', gateways.map(({ name }) => name)],
      ['overrides', overrides.map(({ channel }) => channel)],
    ] as const)
      if (new Set(names).size < names.length) context.addIssue({ code: 'custom', path: [path], message: 'a name stands twice' });
  })
  .readonly();

/** Whether a document may name this URL as a gateway's address for clients. */
export function isGatewayUrl(url: string): boolean {
  return gatewayUrl.safeParse(url).success;
}

/** The operator's message to every pod of a pool: its members, its placement, and its policies. */
export interface PoolDocument {
  readonly version: 1;
  readonly pool: string;
  readonly epoch: number;
  readonly hashSeed: number;
  readonly gateways: readonly PoolGateway[];
  readonly overrides: readonly PlacementOverride[];
  readonly policies: { readonly hash: string; readonly parts: number };
  /** Absent: each process uses the bus of its own settings alone. */
  readonly bus?: PoolBus | undefined;
}

export interface PoolBus {
  readonly publishTo: string;
  readonly listenTo: readonly string[];
}

export type PoolGateway = Readonly<z.output<typeof gatewaySchema>>;

/** A placement that overrides the hash. */
export interface PlacementOverride {
  readonly channel: string;
  /** Pod names, the preferred first. */
  readonly gateways: readonly string[];
}

export type VerifiedDocument =
  | { readonly kind: 'verified'; readonly document: PoolDocument; readonly digest: string }
  | { readonly kind: 'malformed' | 'forged'; readonly fault: string };

/**
 * The signed envelope of a document.
 * @throws when the document breaks a bound, or the key is no Ed25519 private key in PEM
 */
export function signDocument(document: PoolDocument, privateKeyPem: string): string {
  const text = JSON.stringify(documentSchema.parse(document));
  if (Buffer.byteLength(text) > poolLimits.documentBytesMax)
    throw new RangeError(`the pool document has more than ${poolLimits.documentBytesMax} bytes`);
  return sealEnvelope(text, privateKeyPem);
}

/** Reads a signed document. `digest` identifies its exact content. */
export function verifyDocument(envelope: string, publicKeyPem: string): VerifiedDocument {
  const opened = openEnvelope(envelope, publicKeyPem);
  if (opened.kind !== 'opened') return opened;
  const { text } = opened;
  if (Buffer.byteLength(text) > poolLimits.documentBytesMax)
    return { kind: 'malformed', fault: `the pool document has more than ${poolLimits.documentBytesMax} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'malformed', fault: 'the pool document is not JSON' };
  }
  const read = documentSchema.safeParse(value);
  if (!read.success) return { kind: 'malformed', fault: `the pool document is wrong: ${issuesInWords(read.error)}` };
  return { kind: 'verified', document: read.data, digest: hash('sha256', text) };
}

/** The identity of a document among others. */
export interface DocumentMark {
  readonly pool: string;
  readonly epoch: number;
  readonly digest: string;
}

/**
 * Decides whether a document replaces the one in force. `conflict` means another document of the same epoch, or a
 * document of another pool.
 */
export function decideDocument(current: DocumentMark | undefined, incoming: DocumentMark): 'accept' | 'same' | 'older' | 'conflict' {
  if (current === undefined) return 'accept';
  if (incoming.pool !== current.pool) return 'conflict';
  if (incoming.epoch !== current.epoch) return incoming.epoch > current.epoch ? 'accept' : 'older';
  return incoming.digest === current.digest ? 'same' : 'conflict';
}

/** SHA-256 in hexadecimal over all policy parts, in order. */
export function policiesHash(parts: readonly string[]): string {
  const all = createHash('sha256');
  for (const part of parts) all.update(part);
  return all.digest('hex');
}

export type PolicyPartsRead =
  | { readonly kind: 'policies'; readonly policies: readonly ChannelPolicy[]; readonly misfits: PolicyMisfits }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * Reads the policies of a document. All parts must be there, and their hash must match the document's. A policy that
 * this version does not understand refuses neither the document nor other policies: during an upgrade a newer operator
 * writes for gateways of both versions.
 */
export function readPolicyParts({ policies: named }: Pick<PoolDocument, 'policies'>, parts: readonly string[]): PolicyPartsRead {
  const fault = partsFault(named, parts);
  if (fault !== undefined) return { kind: 'faults', faults: [fault] };
  const reads = parts.map(readPolicyPart);
  const faults = reads.flatMap((read, index) => (read.kind === 'fault' ? [`policies-${index}: ${read.fault}`] : []));
  if (faults.length > 0) return { kind: 'faults', faults };
  return { kind: 'policies', ...readPolicies(reads.flatMap((read) => (read.kind === 'entries' ? read.entries : []))) };
}

function partsFault(named: PoolDocument['policies'], parts: readonly string[]): string | undefined {
  if (parts.length !== named.parts) return `there are ${parts.length} policy parts; the document names ${named.parts}`;
  const large = parts.findIndex((part) => Buffer.byteLength(part) > poolLimits.policyPartBytesMax);
  if (large >= 0) return `policies-${large} has more than ${poolLimits.policyPartBytesMax} bytes`;
  if (policiesHash(parts) !== named.hash) return 'the policy parts are not the ones that the document names (their hash differs)';
  return undefined;
}

const issuesShownMax = 10;

function issuesInWords({ issues }: z.ZodError): string {
  const shown = issues.slice(0, issuesShownMax).map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  return issues.length > shown.length ? `${shown.join('; ')}; and ${issues.length - shown.length} more` : shown.join('; ');
}
