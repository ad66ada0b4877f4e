import {
  BusUnavailable,
  type CallResult,
  type GatewayCalls,
  type GatewayReply,
  type GatewayRequest,
  type GatewayServer,
  type RoomCounts,
} from './bus.ts';
import type { JoinableCalls } from './joinable-bus.ts';
import type { NumberedGateway } from './open-bus.ts';

/**
 * Calls over the bus to which the pool publishes. A gateway takes its number there, and claims the same number on every
 * other bus: client ids hold it, and callers on either bus must reach the gateway.
 */
export class JoinedCalls implements GatewayCalls {
  readonly #publishing: () => JoinableCalls | undefined;
  readonly #reason: () => string;
  readonly #onNumber: () => void;
  /** The gateway of this process, once it has a number. */
  gateway: NumberedGateway | undefined;
  /** The calls of the bus on which the number was taken. */
  home: JoinableCalls | undefined;

  constructor(options: {
    readonly publishing: () => JoinableCalls | undefined;
    /** Why nothing can be published. */
    readonly reason: () => string;
    readonly onNumber: () => void;
  }) {
    this.#publishing = options.publishing;
    this.#reason = options.reason;
    this.#onNumber = options.onNumber;
  }

  async serve(server: GatewayServer): Promise<number> {
    const home = this.#publishing();
    if (home === undefined) throw new BusUnavailable(this.#reason());
    const number = await home.serve(server);
    this.gateway = { server, number };
    this.home = home;
    this.#onNumber();
    return number;
  }

  call(gatewayNumber: number, request: GatewayRequest, deadlineMs: number): Promise<CallResult> {
    return this.#publishing()?.call(gatewayNumber, request, deadlineMs) ?? Promise.resolve({ kind: 'unanswered' });
  }

  callAll(
    request: GatewayRequest,
    deadlineMs: number,
  ): Promise<{ readonly replies: readonly GatewayReply[]; readonly unanswered: readonly string[] }> {
    return (
      this.#publishing()?.callAll(request, deadlineMs) ?? Promise.resolve({ replies: [], unanswered: [`every gateway: ${this.#reason()}`] })
    );
  }

  memberCounts(channel: string): RoomCounts {
    return this.#publishing()?.memberCounts(channel) ?? { ready: 0, full: 0 };
  }

  countMembers(channel: string): Promise<RoomCounts | undefined> {
    return this.#publishing()?.countMembers(channel) ?? Promise.resolve(undefined);
  }
}
