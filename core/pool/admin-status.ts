import { z } from 'zod';
import { busId } from './pool-document.ts';

const count = z.int().min(0);

/** Unknown fields are ignored: the operator may be older than the pods that it asks. */
const adminStatusSchema = z.object({
  role: z.enum(['gateway', 'publisher']),
  name: z.string().max(253),
  uid: z.string().max(253),
  /** The pod's wall clock, in Unix milliseconds. An older version does not tell. */
  time: z.number().optional(),
  /** Epoch of the pool document in force; 0 = none yet. */
  poolEpoch: count,
  /** @see policiesHash; empty without a document. */
  policiesHash: z.string().max(64),
  ready: z.boolean(),
  waitingFor: z.array(z.string()),
  connections: count,
  subscriptions: count,
  rooms: count,
  /** Busy share of the event loop in the last seconds, 0 to 1. */
  loopUtilization: z.number().min(0).max(1),
  bytesSentPerSecond: z.number().min(0),
  /** Connections refused in the last seconds because it has all that it takes. An older gateway does not tell. */
  refusedPerSecond: z.number().min(0).optional(),
  drain: z.object({
    state: z.enum(['serving', 'draining', 'drained']),
    /** Connections that the current drain told to move or closed. */
    movedConnections: count,
    /** Start of the drain in Unix milliseconds, by the gateway's clock. */
    startedAt: z.number().optional(),
    /** `issuedAt` of the last drain command that was followed. Earlier commands are refused. */
    commandIssuedAt: z.number().optional(),
  }),
  /** Buses of this process. Absent: its settings name none (`BARRAGE_BUS`), or its version is older. */
  bus: z
    .object({
      /** The bus that takes appends now. Empty: the process lacks the bus that the pool publishes to. */
      publishTo: z.union([busId, z.literal('')]),
      /**
       * The buses that are open here. `up`: every channel of this process is subscribed there, and its gateway number
       * is claimed there.
       */
      listening: z.array(z.object({ id: busId, up: z.boolean() })).max(8),
    })
    .optional(),
  /** The channels with the most members on this gateway, the largest first. */
  topChannels: z.array(z.object({ channel: z.string().max(253), members: count })).max(20),
});

/** The status that a gateway or publisher reports to the operator. */
export type AdminStatus = Readonly<z.output<typeof adminStatusSchema>>;

/** Reads the answer to `GET /admin/v1/status`; `undefined` when it is no status. */
export function readAdminStatus(text: string): AdminStatus | undefined {
  try {
    return adminStatusSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
