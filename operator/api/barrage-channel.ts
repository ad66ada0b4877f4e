// Written by operator/api/generate.ts from crds/barragechannels.yaml.
import type { BarrageChannelStatus } from './barrage-channel-status.ts';
import type { ObjectMeta } from './object-meta.ts';

/**
 * A BarrageChannel is the policy of the channels whose names match spec.channel, on one GatewayPool of the same
 * namespace. It is in force within seconds, without a reconnect. Channels without a policy have the defaults. Never
 * create an object for each live room.
 */
export interface BarrageChannel {
  readonly apiVersion: 'barrage.dev/v1alpha1';
  readonly kind: 'BarrageChannel';
  readonly metadata: ObjectMeta;
  readonly spec: BarrageChannelSpec;
  readonly status?: BarrageChannelStatus;
}

/** The policy. An absent field has the default, not the value of a less specific BarrageChannel. */
export interface BarrageChannelSpec {
  readonly poolRef: BarrageChannelPoolRef;
  /**
   * One channel (video:100001), all channels with a prefix (video:*), or all channels (*). The most specific
   * BarrageChannel wins: the exact name, else the longest prefix. Of two equal patterns the older one wins. It can't be
   * changed.
   */
  readonly channel: string;
  readonly merge: BarrageChannelMerge;
  readonly budget: BarrageChannelBudget;
  readonly history?: BarrageChannelHistory;
  readonly idempotency: BarrageChannelIdempotency;
  readonly access: BarrageChannelAccess;
  readonly slowConsumer: BarrageChannelSlowConsumer;
  readonly limits: BarrageChannelLimits;
  /**
   * Whether clients may ask about members: not at all (Off), their number (Count), or also their names (Members, which
   * only counts so far).
   */
  readonly presence: 'Off' | 'Count' | 'Members';
  readonly expectedPeak?: BarrageChannelExpectedPeak;
}

/** The GatewayPool that the policy is for, in the same namespace. It can't be changed. */
export interface BarrageChannelPoolRef {
  /** Name of the GatewayPool. */
  readonly name: string;
}

/** How publications are collected into batches. */
export interface BarrageChannelMerge {
  /** How long a gateway collects after the first publication, in milliseconds; 0 sends each at once. */
  readonly windowMilliseconds: number;
  /** Number of publications that ends a window early. */
  readonly publicationsMax: number;
  /** Bytes of payload that end a window early. */
  readonly bytesMax: number;
}

/** Rate for one client. Above it publications are left out by priority, and counted. */
export interface BarrageChannelBudget {
  /** Most publications a second for one client. Default: no bound. */
  readonly publicationsPerSecond?: number;
}

/**
 * Publications kept: backends read them, gateways fill holes from them, clients that come back get what they missed.
 * Default: none.
 */
export interface BarrageChannelHistory {
  /** Most publications to keep. */
  readonly size: number;
  /** How long a publication is kept. */
  readonly ttlSeconds: number;
  /** Most missed publications that a client which comes back is given; more are a gap. 0: none. */
  readonly resumePublicationsMax: number;
  /** Newest publications that a client of the plain protocol is given when it subscribes. 0: none. */
  readonly rewindOnSubscribe: number;
}

/** Publications with an idempotency key, which are published once however often they are sent. */
export interface BarrageChannelIdempotency {
  /** How long a key is remembered; 0 refuses publications with a key. */
  readonly windowSeconds: number;
}

/** Who may subscribe and publish. */
export interface BarrageChannelAccess {
  /**
   * Who may subscribe: everybody (Public), clients with an identity (Authenticated), or only the user that user:<uid>
   * names (Owner).
   */
  readonly subscribe: 'Public' | 'Authenticated' | 'Owner';
  /**
   * Who may publish besides backends: nobody (Backend), clients with an identity (Authenticated), or every client
   * (Public).
   */
  readonly publish: 'Backend' | 'Authenticated' | 'Public';
  /** Least time between two publications of one client; 0 for none. */
  readonly slowModeSeconds: number;
}

/** Treatment of a client that reads too slowly. */
export interface BarrageChannelSlowConsumer {
  /** DropOldest: the client loses its oldest waiting batches, and is told. Disconnect: its connection is closed. */
  readonly policy: 'DropOldest' | 'Disconnect';
  /** Bytes that may wait for one connection: frames, and 100 for each batch. */
  readonly queueBytesMax: number;
}

/** Limits of the channel. */
export interface BarrageChannelLimits {
  /** Publications a second that each publisher accepts for the channel. Default: no bound. */
  readonly publicationsPerSecond?: number;
  /** Largest payload of one publication. */
  readonly payloadBytesMax: number;
  /** Most members on each gateway. Default: no bound. */
  readonly membersMax?: number;
  /** Longest wait of a backend's publication for a bus that is away, in milliseconds. 0 refuses it at once. */
  readonly publishHoldMs: number;
}

/** Expected crowd on this one channel, so that gateways are ready before it comes. Not in effect yet. */
export interface BarrageChannelExpectedPeak {
  /** Members to expect. */
  readonly connections: number;
  /** When the crowd comes, such as 2026-12-31T20:00:00Z. */
  readonly startTime: string;
  /** When the crowd has gone. Default: never. */
  readonly endTime?: string;
}
