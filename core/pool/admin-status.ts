import { z } from 'zod';

const count = z.int().min(0);

/** Unknown fields are left out: the operator may be older than the pods that it asks. */
const adminStatusSchema = z.object({
  role: z.enum(['gateway', 'publisher']),
  name: z.string().max(253),
  uid: z.string().max(253),
  /** Epoch of the pool document in force; 0 = none yet. */
  poolEpoch: count,
  /** @see policiesHash; empty where there is no document. */
  policiesHash: z.string().max(64),
  ready: z.boolean(),
  waitingFor: z.array(z.string()),
  connections: count,
  subscriptions: count,
  rooms: count,
  /** Share of the last seconds in which the event loop was busy, 0 to 1. */
  loopUtilization: z.number().min(0).max(1),
  bytesSentPerSecond: z.number().min(0),
  drain: z.object({
    state: z.enum(['serving', 'draining', 'drained']),
    /** Connections that this drain told to move or closed. */
    movedConnections: count,
    /** Milliseconds since the Unix epoch, by the gateway's clock. */
    startedAt: z.number().optional(),
    /** Of the last command that was followed; an earlier one is refused. */
    commandIssuedAt: z.number().optional(),
  }),
  /** The channels with most members here, the largest first. */
  topChannels: z.array(z.object({ channel: z.string().max(253), members: count })).max(20),
});

/** What a gateway or publisher says of itself to the operator. */
export type AdminStatus = Readonly<z.output<typeof adminStatusSchema>>;

/** Reads what `GET /admin/v1/status` answered; `undefined` where it is no status. */
export function readAdminStatus(text: string): AdminStatus | undefined {
  try {
    return adminStatusSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
