import type { Clock } from '../../core/clock.ts';
import { withoutExpired } from '../../core/history.ts';
import type { ChannelPolicy } from '../../core/policy/policy.ts';
import type { PlacedPublication, Position } from '../../core/publication.ts';
import type { GatewayMetrics } from '../accounts/metrics.ts';
import type { Encoding } from '../encoding/encoding.ts';
import type { Intake } from '../recovery/hole.ts';
import { RecentPublications, catchUpOf, hasReached } from '../recovery/recent-publications.ts';
import { rewind } from '../recovery/rewind.ts';
import type { CatchUpTurns } from './catch-up-turns.ts';
import type { HistoryReads } from './history-reads.ts';
import type { JoinRequest } from './joining.ts';
import type { Member } from './members.ts';
import type { RoomDeliveries } from './room-deliveries.ts';

type History = NonNullable<ChannelPolicy['history']>;

/** A room as its resumes see it. */
export interface ResumedRoom {
  readonly channel: string;
  readonly policy: ChannelPolicy;
  /** Its last cut, after which batches come. */
  readonly position: Position;
  /** End of what it has received. */
  readonly received: Position;
}

/** A place in a room's order at which a joining client begins, and whether it has missed nothing before. */
interface Beginning {
  readonly position: Position;
  readonly recovered: boolean;
}

/** A span of publications for one joiner. */
interface CatchUp {
  readonly epoch: string;
  readonly after: number;
  readonly upto: number;
  readonly items: readonly PlacedPublication[];
}

/** Reads that may fail before the clients are told of a gap, and the wait between two, in milliseconds. */
const attemptsMax = 3;
const retryMs = 200;
/** Most frames of catch-ups that are kept for the next client with the same position. */
const framesMax = 16;

/** Publications kept for joiners: as many as one of them may be given. */
function keptMax({ resumePublicationsMax, rewindOnSubscribe }: History): number {
  return Math.max(resumePublicationsMax, rewindOnSubscribe);
}

/**
 * What one room gives to clients that come back, and to late joiners: from the publications that it has received, and
 * from one read of the bus for all clients. Without a history in the policy it keeps nothing and gives nothing.
 */
export class RoomResumes {
  readonly #room: ResumedRoom;
  readonly #history: { readonly reads: HistoryReads; readonly catchUps: CatchUpTurns } | undefined;
  readonly #metrics: GatewayMetrics;
  readonly #clock: Clock;
  readonly #deliveries: RoomDeliveries;
  #recent: RecentPublications | undefined;
  #reading: Promise<void> | undefined;
  /** Frames since the last cut: clients of a gateway that died come back with the same few positions. */
  #frames: { readonly encoding: Encoding; readonly after: number; readonly items: number; readonly bytes: Buffer | undefined }[] = [];
  #framesUpto: Position = { epoch: '', offset: -1 };

  constructor(options: {
    readonly room: ResumedRoom;
    /** Absent: nobody reads histories. */
    readonly history?: { readonly reads: HistoryReads; readonly catchUps: CatchUpTurns };
    readonly metrics: GatewayMetrics;
    readonly clock: Clock;
    readonly deliveries: RoomDeliveries;
  }) {
    this.#room = options.room;
    this.#history = options.history;
    this.#metrics = options.metrics;
    this.#clock = options.clock;
    this.#deliveries = options.deliveries;
  }

  /** The room is about to take this. */
  received(next: Intake): void {
    const { history } = this.#room.policy;
    if (history === undefined) {
      if (this.#recent !== undefined) this.close();
    } else if (next.kind === 'batch') {
      this.#kept().add(next.batch, keptMax(history));
      // They may have what a tombstone has recalled.
      if (next.batch.publications.some(({ recall }) => recall !== undefined)) this.#frames = [];
    } else if (next.kind === 'continued') this.#kept().continued(next.epoch, next.earlier);
    else this.#kept().at(next.position);
  }

  /**
   * The wait for the read of the bus that a request needs, and for its turn; `undefined`: none. Never rejects: what
   * could not be read can't be given.
   */
  prepare({ since, rewind: wanted = 0 }: Pick<JoinRequest, 'since' | 'rewind'>): Promise<void> | undefined {
    const { history } = this.#room.policy;
    if (history === undefined || this.#history === undefined || (since === undefined && wanted === 0)) return undefined;
    const cut = this.#room.position.offset;
    const recent = this.#kept();
    const needsRead =
      since === undefined
        ? recent.lacks(wanted, cut, keptMax(history))
        : recent.reach(since, cut, history.resumePublicationsMax) === 'read';
    const { reads, catchUps } = this.#history;
    if (!needsRead) return catchUps.isBusy ? catchUps.next() : undefined;
    this.#reading ??= this.#read(reads, recent, keptMax(history)).finally(() => (this.#reading = undefined));
    // All who waited for the read go on at once.
    return this.#reading.then(() => catchUps.next());
  }

  /** Says where a new member begins, and sends it what it has missed or asks for. */
  begin(member: Member, { since, rewind: wanted = 0 }: Pick<JoinRequest, 'since' | 'rewind'>): Beginning {
    const { position: cut, policy } = this.#room;
    const { history } = policy;
    if (since === undefined)
      return { position: history === undefined || wanted === 0 ? cut : this.#rewind(member, wanted, history), recovered: false };
    const beginning = history === undefined ? { position: cut, recovered: hasReached(since, cut) } : this.#resume(member, since, history);
    this.#metrics.resumes.inc({ result: beginning.recovered ? 'recovered' : 'lost' });
    return beginning;
  }

  #resume(member: Member, since: Position, history: History): Beginning {
    const { position: cut } = this.#room;
    const recent = this.#kept();
    const wall = this.#clock.wall();
    const reach = recent.reach(since, cut.offset, history.resumePublicationsMax);
    if (reach === 'current') return { position: cut, recovered: true };
    if (reach === 'read') recent.refused(since);
    if (reach !== 'kept') return { position: cut, recovered: false };
    const missed = recent.between(since.offset, cut.offset);
    // A room may hold longer than the policy keeps.
    if (withoutExpired(missed, history, wall).length < missed.length) return { position: cut, recovered: false };
    const items = catchUpOf(missed, wall);
    this.#send(member, { epoch: cut.epoch, after: since.offset, upto: cut.offset, items });
    return { position: { epoch: cut.epoch, offset: since.offset }, recovered: true };
  }

  /** Sends a late joiner the newest publications, and says where it begins. */
  #rewind(member: Member, wanted: number, history: History): Position {
    const { position: cut } = this.#room;
    const most = keptMax(history);
    const recent = this.#kept();
    const wall = this.#clock.wall();
    const kept = withoutExpired(recent.between(Math.max(recent.first - 1, cut.offset - most), cut.offset), history, wall);
    const { canSum } = member.memberClass.encoding;
    const rewound = rewind(kept, Math.min(wanted, most), { canSum, wall });
    if (rewound === undefined) return cut;
    this.#send(member, { epoch: cut.epoch, after: rewound.after, upto: cut.offset, items: rewound.items });
    return { epoch: cut.epoch, offset: rewound.after };
  }

  #kept(): RecentPublications {
    return (this.#recent ??= new RecentPublications(this.#room.received, this.#metrics.recentBytes));
  }

  close(): void {
    this.#recent?.clear();
    this.#recent = undefined;
    this.#frames = [];
  }

  async #read(reads: HistoryReads, recent: RecentPublications, limit: number): Promise<void> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      this.#metrics.resumeReads.inc();
      try {
        const page = await reads.read(this.#room.channel, { kind: 'newest', before: recent.first, limit });
        // The room may have been closed meanwhile: then nobody would let go of the bytes.
        if (this.#recent !== recent || recent.read(page, limit)) return;
        // The room lags behind the bus, and maybe behind the gateway that the clients come from.
      } catch {
        // The bus is away. In the end the clients that wait begin without what they have missed, and are told.
      }
      if (attempt < attemptsMax) await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve));
    }
  }

  #send(member: Member, { epoch, after, upto, items: all }: CatchUp): void {
    const { encoding } = member.memberClass;
    const items = encoding.canTell ? all : all.filter(({ publication }) => publication.recall === undefined);
    const span = { channel: this.#room.channel, epoch, after, upto, leftOut: upto - after - items.length };
    if (this.#framesUpto.offset !== upto || this.#framesUpto.epoch !== epoch) this.#frames = [];
    this.#framesUpto = { epoch, offset: upto };
    let frame = this.#frames.find((each) => each.encoding === encoding && each.after === after && each.items === items.length);
    if (frame === undefined) {
      frame = { encoding, after, items: items.length, bytes: encoding.batch(span, items) };
      this.#frames = [frame, ...this.#frames.slice(0, framesMax - 1)];
    }
    this.#metrics.resumedPublications.inc(items.length);
    this.#history?.catchUps.begun();
    const notice = { bytes: frame.bytes, members: [member], frames: encoding.framesOf(items.length) };
    this.#deliveries.notify(span, [notice], () => this.#history?.catchUps.written());
  }
}
