// Written by operator/api/generate.ts from crds/barragechannels.yaml.
import type { ObjectMeta } from './object-meta.ts';

/**
 * A BarrageChannel is the policy of the channels whose names match spec.channel, on one GatewayPool of the same
 * namespace. It is in force within seconds, without a reconnect. Channels without one have the defaults: never make
 * an object for each live room.
 */
export interface BarrageChannel {
  readonly apiVersion: 'barrage.dev/v1alpha1';
  readonly kind: 'BarrageChannel';
  readonly metadata: ObjectMeta;
  readonly spec: BarrageChannelSpec;
  readonly status?: BarrageChannelStatus;
}

/** The policy. What it leaves out has the default, not the value of a less specific BarrageChannel. */
export interface BarrageChannelSpec {
  readonly poolRef: BarrageChannelPoolRef;
  /**
   * One channel (video:100001), all that begin alike (video:*), or all (*). The most specific BarrageChannel wins: the
   * exact name, else the longest beginning. Of two that say the same the older one wins. It can't be changed.
   */
  readonly channel: string;
  readonly merge: BarrageChannelMerge;
  readonly budget: BarrageChannelBudget;
  readonly history?: BarrageChannelHistory;
  readonly access: BarrageChannelAccess;
  readonly slowConsumer: BarrageChannelSlowConsumer;
  readonly limits: BarrageChannelLimits;
  /**
   * Whether clients may ask who is there: no (Off), how many (Count), or also who (Members, which only counts so far).
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
  /** A window ends early at so many publications. */
  readonly publicationsMax: number;
  /** A window ends early at so many bytes of payload. */
  readonly bytesMax: number;
}

/** How much one client is given; above it publications are left out by priority, and counted. */
export interface BarrageChannelBudget {
  /** Publications a second that one client is given at most. Default: all. */
  readonly publicationsPerSecond?: number;
}

/** Publications that are kept for those who come later. Default: none. Not in effect yet. */
export interface BarrageChannelHistory {
  /** Most publications that are kept. */
  readonly size: number;
  /** How long one is kept. */
  readonly ttlSeconds: number;
}

/** Who may read and write. */
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

/** What becomes of a client that reads too slowly. */
export interface BarrageChannelSlowConsumer {
  /** DropOldest: it loses the oldest of what waits, and is told. Disconnect: its connection is closed. */
  readonly policy: 'DropOldest' | 'Disconnect';
  /** Bytes that may wait for one connection: frames, and 100 for each batch. */
  readonly queueBytesMax: number;
}

/** What the channel takes. */
export interface BarrageChannelLimits {
  /** Publications a second that each publisher accepts for the channel. Default: no bound. */
  readonly publicationsPerSecond?: number;
  /** Largest payload of one publication. */
  readonly payloadBytesMax: number;
  /** Most members on each gateway. Default: no bound. */
  readonly membersMax?: number;
}

/** A crowd that is expected on this one channel, to be ready before it comes. Not in effect yet. */
export interface BarrageChannelExpectedPeak {
  /** Members to expect. */
  readonly connections: number;
  /** When they come, such as 2026-12-31T20:00:00Z. */
  readonly startTime: string;
  /** When they have gone. Default: never. */
  readonly endTime?: string;
}

/** What became of the policy. Written by the operator only. */
export interface BarrageChannelStatus {
  /** Generation of the spec that this status is about. */
  readonly observedGeneration?: number;
  /** What is so and what is not, each with a reason and a message that says what to do. */
  readonly conditions?: readonly BarrageChannelStatusCondition[];
}

export interface BarrageChannelStatusCondition {
  /** What it is about, such as Accepted. */
  readonly type: string;
  /** Whether it is so. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Generation of the spec that it is about. */
  readonly observedGeneration?: number;
  /** When status changed last. */
  readonly lastTransitionTime: string;
  /** Why, in one word for programs. */
  readonly reason: string;
  /** Why, in words for people. */
  readonly message: string;
}
