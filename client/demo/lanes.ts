import type { CommentMode } from './comment.ts';

/** Height of one row of the grid on which comments are placed, in pixels. */
const rowHeightPx = 4;
/** Least distance between two comments that follow each other, in pixels. */
const gapPx = 24;
/** Part of the height for scrolling comments, the upper one. Reverse comments have the rest, so the two never cross. */
const scrollShare = 0.75;
/** Part of the height for each kind of standing comments: the middle of the picture stays free. */
const standingShare = 0.4;
/** Longest stay of a standing comment, in milliseconds. */
const standingMsMax = 5000;

/** The stay of a comment on the stage, in milliseconds, when a crossing takes `durationMs`. */
export function stayMs(mode: CommentMode, durationMs: number): number {
  return mode === 'top' || mode === 'bottom' ? Math.min(standingMsMax, durationMs) : durationMs;
}

/** A comment that needs a place: its box in pixels, edges included. */
export interface LaneRequest {
  readonly mode: CommentMode;
  readonly width: number;
  readonly height: number;
}

interface Occupant {
  readonly mode: CommentMode;
  readonly width: number;
  startedAt: number;
}

/**
 * Finds places in which a comment overlaps no other of its layer, from its entry until it has left.
 *
 * There are two layers. The moving one has scroll above and reverse below. Over it lies the standing one: top down from
 * the upper edge, bottom up from the lower. A row remembers only its last comment. Each follower was admitted because
 * it cannot catch up its leader, so it cannot reach any earlier comment either. Every moving comment takes the same
 * time to cross, whatever its width: wide comments are faster. Times are milliseconds of any one clock; the caller
 * gives `now`.
 */
export class Lanes {
  readonly #stageWidth: number;
  readonly #rows: number;
  readonly #moving: (Occupant | undefined)[];
  readonly #standing: (Occupant | undefined)[];
  #durationMs: number;
  #turn = 0;

  constructor(stage: { readonly width: number; readonly height: number; readonly durationMs: number }) {
    this.#stageWidth = stage.width;
    this.#rows = Math.max(0, Math.floor(stage.height / rowHeightPx));
    this.#moving = Array.from({ length: this.#rows });
    this.#standing = Array.from({ length: this.#rows });
    this.#durationMs = stage.durationMs;
  }

  /** Tallest comment that has a place in a zone, in pixels. */
  heightMax(mode: CommentMode): number {
    const [from, to] = this.#zone(mode);
    return (to - from) * rowHeightPx;
  }

  /** Takes a place and returns its upper edge in pixels; `undefined` when there is none now. */
  place(request: LaneRequest, now: number): number | undefined {
    const rows = request.mode === 'top' || request.mode === 'bottom' ? this.#standing : this.#moving;
    const needed = Math.max(1, Math.ceil(request.height / rowHeightPx));
    const [from, to] = this.#zone(request.mode);
    const first =
      request.mode === 'bottom'
        ? this.#searchUp(rows, { from, to, needed }, request, now)
        : this.#searchDown(rows, { from, to, needed }, request, now);
    if (first === undefined) return undefined;
    const occupant = { mode: request.mode, width: request.width, startedAt: now };
    rows.fill(occupant, first, first + needed);
    return first * rowHeightPx;
  }

  /**
   * A place over other comments, for a viewer who allows that, as its upper edge in pixels. Places take turns from the
   * upper edge of the zone down; for `bottom`, from its lower edge up. Takes no place: those that overlap nothing stay
   * right.
   */
  overlapping({ mode, height }: LaneRequest): number {
    const [from, to] = this.#zone(mode);
    const needed = Math.max(1, Math.ceil(height / rowHeightPx));
    const turns = Math.max(1, Math.floor((to - from) / needed));
    const turn = this.#turn++ % turns;
    return (mode === 'bottom' ? to - (turn + 1) * needed : from + turn * needed) * rowHeightPx;
  }

  /**
   * Changes the time of a crossing. Comments on their way keep their place, so those that did not overlap still do not.
   */
  retime(durationMs: number, now: number): void {
    const factor = durationMs / this.#durationMs;
    for (const occupant of new Set(this.#moving)) {
      if (occupant !== undefined) occupant.startedAt = now - (now - occupant.startedAt) * factor;
    }
    this.#durationMs = durationMs;
  }

  clear(): void {
    this.#moving.fill(undefined);
    this.#standing.fill(undefined);
  }

  /** Rows `[from, to)` in which a mode may stand. */
  #zone(mode: CommentMode): readonly [from: number, to: number] {
    const border = Math.floor(this.#rows * scrollShare);
    const standing = Math.floor(this.#rows * standingShare);
    switch (mode) {
      case 'scroll':
        return [0, border];
      case 'reverse':
        return [border, this.#rows];
      case 'top':
        return [0, standing];
      case 'bottom':
        return [this.#rows - standing, this.#rows];
    }
  }

  #searchDown(rows: readonly (Occupant | undefined)[], range: Range, request: LaneRequest, now: number): number | undefined {
    let first = range.from;
    for (let row = range.from; row < range.to; row++) {
      if (this.#collides(rows[row], request, now)) first = row + 1;
      else if (row - first + 1 >= range.needed) return first;
    }
    return undefined;
  }

  #searchUp(rows: readonly (Occupant | undefined)[], range: Range, request: LaneRequest, now: number): number | undefined {
    let last = range.to - 1;
    for (let row = range.to - 1; row >= range.from; row--) {
      if (this.#collides(rows[row], request, now)) last = row - 1;
      else if (last - row + 1 >= range.needed) return row;
    }
    return undefined;
  }

  #collides(leader: Occupant | undefined, request: LaneRequest, now: number): boolean {
    if (leader === undefined) return false;
    const elapsed = now - leader.startedAt;
    if (elapsed >= stayMs(leader.mode, this.#durationMs)) return false;
    if (request.mode === 'top' || request.mode === 'bottom' || leader.mode !== request.mode) return true;
    const travelled = ((this.#stageWidth + leader.width) * elapsed) / this.#durationMs;
    if (travelled < leader.width + gapPx) return true;
    const untilLeaderLeft = this.#durationMs - elapsed;
    const untilHeadArrives = (this.#durationMs * this.#stageWidth) / (this.#stageWidth + request.width);
    return untilLeaderLeft > untilHeadArrives;
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly needed: number;
}
