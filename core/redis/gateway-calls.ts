import assert from 'node:assert/strict';
import {
  BusUnavailable,
  type CallResult,
  type GatewayReply,
  type GatewayRequest,
  type GatewayServer,
  type RoomCounts,
} from '../bus/bus.ts';
import { withDeadline } from '../bus/deadline.ts';
import type { JoinableCalls } from '../bus/joinable-bus.ts';
import { readMessage, replyMessage, type GatewayMessage, type ReplyMessage } from './call-messages.ts';
import { asUnavailable, commandTimeoutMs } from './connection.ts';
import { NumberClaim, type GatewayLease } from './gateway-lease.ts';
import { ReportListener } from './report-listener.ts';
import { ServedGateway, type CallsContext } from './served-gateway.ts';
import { PlainSubscription } from './subscriptions.ts';

/** Most calls that wait for replies in one process. A further call is unanswered at once. */
const callsInFlightMax = 10_000;
const unknownGateway = 'a gateway that has not told its name';

interface Gathered {
  readonly replies: ReadonlyMap<number, GatewayReply>;
  /** Number of processes that the request reached, by Redis's count. */
  readonly receivers: number;
}

/**
 * Gateway calls over bus channels. Each gateway has one, all gateways share one, each process has one for replies, and
 * one carries reports. While Redis is away every call is unanswered at once.
 */
export class RedisGatewayCalls implements JoinableCalls {
  readonly #context: CallsContext;
  readonly #listener: ReportListener;
  readonly #waiting = new Map<number, (message: ReplyMessage) => void>();
  readonly #replies: PlainSubscription;
  #repliesWanted = false;
  #served: ServedGateway | undefined;
  #claim: NumberClaim | undefined;
  #serving = false;
  #nextId = 1;
  #closed = false;

  constructor(context: CallsContext) {
    this.#context = context;
    this.#replies = new PlainSubscription((message) => this.#hearReply(message));
    this.#listener = new ReportListener({
      context,
      tell: (name, message) => this.#tell(name, message),
      isGateway: () => this.#served !== undefined,
    });
  }

  async serve(server: GatewayServer): Promise<number> {
    assert(!this.#serving, 'a process is one gateway');
    this.#serving = true;
    try {
      const served = await ServedGateway.start(this.#context, server);
      this.#served = served;
      const outcome = await withDeadline(served.inForce(), commandTimeoutMs, this.#context.clock);
      if (outcome.kind === 'late') throw new BusUnavailable('the bus did not answer in time');
      return served.number;
    } catch (error) {
      this.#serving = false;
      const served = this.#served;
      this.#served = undefined;
      await served?.close();
      throw asUnavailable(error);
    }
  }

  claim(server: GatewayServer, number: number): void {
    assert(!this.#serving, 'a process is one gateway');
    this.#serving = true;
    const onTaken: (lease: GatewayLease) => void = (lease) => {
      this.#served = new ServedGateway(this.#context, server, lease);
      void this.#served.inForce();
    };
    this.#claim = new NumberClaim({ ...this.#context, number, onTaken });
  }

  get isServing(): boolean {
    return this.#served?.isReached ?? this.#claim?.isHeldByKin ?? false;
  }

  async call(gatewayNumber: number, request: GatewayRequest, deadlineMs: number): Promise<CallResult> {
    const { names, clock, accounts } = this.#context;
    const askedAt = clock.monotonic();
    const gathered = await this.#gather({ name: names.gateway(gatewayNumber), request, deadlineMs }, ({ replies, receivers }) => {
      return replies.size > 0 || receivers === 0;
    });
    const reply = gathered.replies.get(gatewayNumber);
    if (reply === undefined) return { kind: 'unanswered' };
    accounts.answered('call', clock.monotonic() - askedAt);
    return { kind: 'reply', reply };
  }

  async callAll(
    request: GatewayRequest,
    deadlineMs: number,
  ): Promise<{ readonly replies: readonly GatewayReply[]; readonly unanswered: readonly string[] }> {
    const startedAt = this.#context.clock.monotonic();
    // At most half of the time: the request is worth making even without the gateways' names.
    await withDeadline(this.#listener.listen(), deadlineMs / 2, this.#context.clock);
    const remainingMs = deadlineMs - (this.#context.clock.monotonic() - startedAt);
    const known = this.#listener.gateways();
    const alive = known.filter(({ condition }) => condition === 'alive');
    const { replies, receivers } = await this.#gather(
      { name: this.#context.names.allGateways, request, deadlineMs: Math.max(1, remainingMs) },
      (gathered) => gathered.replies.size >= gathered.receivers && alive.every(({ number }) => gathered.replies.has(number)),
    );
    const unanswered = alive.filter(({ number }) => !replies.has(number)).map(({ name }) => name);
    // Redis counted further receivers: a gateway that hangs for so long that it is silent, or one that just started.
    for (const { number, name, condition } of known)
      if (condition === 'silent' && !replies.has(number) && replies.size + unanswered.length < receivers) unanswered.push(name);
    while (replies.size + unanswered.length < receivers) unanswered.push(unknownGateway);
    return { replies: [...replies.values()], unanswered };
  }

  memberCounts(channel: string): RoomCounts {
    if (this.#closed) return { ready: 0, full: 0 };
    void this.#listener.listen();
    const others = this.#listener.memberCounts(channel);
    const own = this.#served?.roomCounts(channel);
    return own === undefined ? others : { ready: own.ready + others.ready, full: own.full + others.full };
  }

  async countMembers(channel: string): Promise<RoomCounts | undefined> {
    if (this.#closed) return undefined;
    await this.#listener.listen();
    return this.#context.masters.state.up && this.#listener.isWhole ? this.memberCounts(channel) : undefined;
  }

  /** Keeps the table of the gateways' rooms current from now on. */
  watch(): void {
    this.#listener.keep();
  }

  /** Number of this gateway's rooms with an unreported change. */
  get reportsWaiting(): number {
    return this.#served?.reportsWaiting ?? 0;
  }

  onOpen(): void {
    this.#served?.onOpen();
    void this.#claim?.try();
    this.#listener.onOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    this.#claim?.end();
    await this.#served?.close();
  }

  /** Sends a request and collects replies until `enough` of them or the deadline. */
  async #gather(
    ask: { readonly name: string; readonly request: GatewayRequest; readonly deadlineMs: number },
    enough: (gathered: Gathered) => boolean,
  ): Promise<Gathered> {
    const replies = new Map<number, GatewayReply>();
    if (this.#closed || this.#waiting.size >= callsInFlightMax) return { replies, receivers: 0 };
    const id = this.#nextId++;
    let receivers: number | undefined;
    await new Promise<void>((resolve) => {
      const callOff = this.#context.clock.after(ask.deadlineMs, resolve);
      const settle = (): void => {
        if (receivers === undefined || !enough({ replies, receivers })) return;
        callOff();
        resolve();
      };
      this.#waiting.set(id, ({ gateway, reply }) => {
        replies.set(gateway, reply);
        settle();
      });
      const { deadlineMs, request } = ask;
      const told = this.#listenForReplies().then(() => {
        // The caller already knows the request as unanswered, so it must not be carried out.
        if (!this.#waiting.has(id)) throw new BusUnavailable('the deadline has passed');
        return this.#tell(ask.name, { kind: 'request', id, replyTo: this.#context.token, deadlineMs, request });
      });
      told.then(
        (count) => {
          receivers = count;
          settle();
        },
        () => {
          callOff();
          resolve();
        },
      );
    });
    this.#waiting.delete(id);
    return { replies, receivers: receivers ?? 0 };
  }

  async #listenForReplies(): Promise<void> {
    const { masters, names, token } = this.#context;
    await masters.ready(names.replies(token));
    if (!this.#repliesWanted) {
      this.#repliesWanted = true;
      masters.add(names.replies(token), this.#replies);
    }
    await this.#replies.inForce;
  }

  /** Sends a message. Resolves with the number of processes that received it. */
  async #tell(name: string, message: GatewayMessage): Promise<number> {
    return Number(await this.#context.masters.run(name, ({ client }) => client.spublish(name, JSON.stringify(message))));
  }

  #hearReply(bytes: Buffer): void {
    const read = readMessage(replyMessage, bytes);
    if (read.kind === 'fault') this.#context.refusedMessages.warn(read.fault);
    // A reply without a waiting call came after its deadline.
    else this.#waiting.get(read.message.id)?.(read.message);
  }
}
