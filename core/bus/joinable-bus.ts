import type { Bus, GatewayCalls, GatewayServer } from './bus.ts';

/** A bus that can be one of several of a process. */
export interface JoinableBus extends Bus {
  readonly calls: JoinableCalls;
  /** Whether no subscription of this process is interrupted. One that was just asked for does not count. */
  isWhole(): boolean;
}

export interface JoinableCalls extends GatewayCalls {
  /**
   * Makes this process the gateway of a number that it has on another bus. Returns at once. While another gateway has
   * the number it is tried again, until `close`.
   */
  claim(server: GatewayServer, gatewayNumber: number): void;
  /** Whether calls to the number of this process reach it on this bus. */
  readonly isServing: boolean;
}
