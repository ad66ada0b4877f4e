import { Lanes } from '../demo/lanes.ts';
import type { Comment } from './comments.ts';

/** The screen that the estimate is for: a desktop window, with the settings that the demo's page begins with. */
const screen = { width: 1280, height: 720, durationMs: 9000 } as const;
/** Longest wait of a comment for a place, in milliseconds, and the most that wait, as on the demo's page. */
const waiting = { msMax: 2500, countMax: 120 } as const;
/** Time between two frames of the estimate, in milliseconds. */
const frameMs = 33;
const lineHeight = 1.3;
const paddingPx = 8;
/** Comments that are looked at, the first of them: an estimate takes well under a second. */
const judgedMax = 5_000;
/** Slowest pace that is proposed. */
const speedMin = 0.1;
/** The share of comments that a good pace shows. */
export const goodShare = 0.9;

/** Wide characters: East Asian ones and emoji. They are as wide as high. */
const wide = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]|\p{Extended_Pictographic}/u;
const narrowWidth = 0.56;

interface Waiting {
  readonly dueMs: number;
  readonly mode: Comment['mode'];
  readonly width: number;
  readonly height: number;
}

/**
 * The share of comments that find a place on a screen where none covers another one, from 0 to 1: an estimate, since
 * real letters have other widths. A comment that finds no place within 2.5 s is not shown.
 */
export function shownShare(comments: readonly Comment[], speed: number): number {
  const judged = comments.slice(0, judgedMax).map((comment) => boxOf(comment, speed));
  if (judged.length === 0) return 1;
  const lanes = new Lanes(screen);
  const arriving = judged.values();
  let next = arriving.next().value;
  let present: readonly Waiting[] = [];
  let shown = 0;
  for (let now = next?.dueMs ?? 0; next !== undefined || present.length > 0; now += frameMs) {
    if (present.length === 0 && next !== undefined) now = Math.max(now, next.dueMs);
    const arrived: Waiting[] = [];
    for (; next !== undefined && next.dueMs <= now; next = arriving.next().value) arrived.push(next);
    const kept: Waiting[] = [];
    const refused = new Map<Comment['mode'], number>();
    for (const box of [...present, ...arrived].slice(-waiting.countMax)) {
      // A zone that has refused a comment in this frame refuses every comment as tall.
      const isFull = box.height >= (refused.get(box.mode) ?? Number.POSITIVE_INFINITY);
      if (!isFull && lanes.place(box, now) !== undefined) shown++;
      else {
        if (!isFull) refused.set(box.mode, box.height);
        if (now - box.dueMs < waiting.msMax) kept.push(box);
      }
    }
    present = kept;
  }
  return shown / judged.length;
}

/** A pace at which most comments find a place: half the speed, or half of that, and so on. */
export function speedToShow(comments: readonly Comment[], speed: number): number {
  let slower = speed;
  while (slower / 2 >= speedMin && shownShare(comments, slower) < goodShare) slower /= 2;
  return Number(slower.toPrecision(2));
}

function boxOf({ atSeconds, text, mode, size }: Comment, speed: number): Waiting {
  const ems = Array.from(text).reduce((sum, character) => sum + (wide.test(character) ? 1 : narrowWidth), 0);
  return { dueMs: (atSeconds * 1000) / speed, mode, width: Math.ceil(ems * size + 2 * paddingPx), height: Math.ceil(size * lineHeight) };
}
