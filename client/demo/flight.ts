import danmakuModule from 'danmaku';
import type { CommentMode } from './comment.ts';
import { stayMs } from './lanes.ts';

// The package's types are those of CommonJS, but bundlers take its ES module. That one's default export is the class
// itself.
const Danmaku = danmakuModule as unknown as typeof danmakuModule.default;
type DanmakuInstance = InstanceType<typeof Danmaku>;

/** The library's record of one comment. */
interface Flying {
  node: HTMLElement | null;
  width: number;
  height: number;
  y: number;
  _utc: number;
}

/**
 * The library's own state that this file depends on. In live mode the library never shortens `comments`, and would
 * choose the places itself.
 */
interface Internals {
  readonly comments: Flying[];
  readonly _: { position: number };
}

const libraryModes = { scroll: 'rtl', reverse: 'ltr', top: 'top', bottom: 'bottom' } as const;

export interface Launch {
  readonly node: HTMLElement;
  readonly width: number;
  readonly height: number;
  readonly y: number;
  readonly mode: CommentMode;
  /** Of the publication that it shows. */
  readonly offset: number;
}

/**
 * Comments on their way across a stage, moved by the `danmaku` library in live mode.
 *
 * The library animates. The places come from outside, since its own allocation stacks comments when its lanes are full.
 * Its list of comments is emptied as soon as all of them have taken off; otherwise it would hold every comment of a
 * live show. Nodes that have landed are handed back, and used again.
 */
export class Flight {
  readonly #container: HTMLElement;
  readonly #danmaku: DanmakuInstance & Internals;
  #flying: { readonly comment: Flying; readonly node: HTMLElement; readonly mode: CommentMode; readonly offset: number }[] = [];
  #durationMs: number;

  constructor(container: HTMLElement, durationMs: number) {
    this.#container = container;
    this.#danmaku = new Danmaku({ container, engine: 'dom' }) as DanmakuInstance & Internals;
    this.#durationMs = durationMs;
    this.resize();
  }

  get count(): number {
    return this.#flying.length;
  }

  /** Length of the library's list: comments that have not taken off, and those that are not emptied out yet. */
  get backlog(): number {
    return this.#danmaku.comments.length;
  }

  launch(launch: Launch): void {
    const { comments } = this.#danmaku;
    this.#danmaku.emit({ mode: libraryModes[launch.mode], text: '' });
    const comment = comments.at(-1);
    if (comment === undefined) return;
    comment.node = launch.node;
    comment.width = launch.width;
    comment.height = launch.height;
    // The library has one stay for all comments: a comment with a shorter stay begins earlier.
    comment._utc -= (this.#durationMs - stayMs(launch.mode, this.#durationMs)) / 1000;
    Object.defineProperty(comment, 'y', { get: () => launch.y, set: () => {} });
    this.#flying.push({ comment, node: launch.node, mode: launch.mode, offset: launch.offset });
  }

  /** Nodes that have left the stage since the last call. */
  landed(): HTMLElement[] {
    const { comments, _: state } = this.#danmaku;
    if (comments.length > 0 && state.position >= comments.length) {
      comments.length = 0;
      state.position = 0;
    }
    const now = performance.now() / 1000;
    const nodes: HTMLElement[] = [];
    this.#flying = this.#flying.filter(({ comment, node }) => {
      // After a late frame the library skips a comment that it never put on the stage.
      const skipped = !node.isConnected && now - comment._utc > this.#durationMs / 1000 + 1;
      if (comment.node !== null && !skipped) return true;
      nodes.push(node);
      return false;
    });
    return nodes;
  }

  /** Makes comments vanish. Their empty nodes fly on: others were placed so that they don't touch them. */
  vanish(isUnwanted: (offset: number) => boolean): void {
    for (const { node, offset } of this.#flying) {
      if (!isUnwanted(offset)) continue;
      node.textContent = '';
      node.style.visibility = 'hidden';
    }
  }

  /** Takes everything off the stage and returns the nodes. */
  clear(): HTMLElement[] {
    const nodes = this.#flying.map(({ node }) => node);
    this.#danmaku.clear();
    this.#danmaku.comments.length = 0;
    this.#danmaku._.position = 0;
    this.#flying = [];
    return nodes;
  }

  show(): void {
    this.#danmaku.show();
  }

  hide(): void {
    this.#danmaku.hide();
  }

  /** Changes the time of a crossing. Comments on their way go on from their places. */
  retime(durationMs: number): void {
    const now = performance.now() / 1000;
    const moving = durationMs / this.#durationMs;
    for (const { comment, mode } of this.#flying) {
      const stands = mode === 'top' || mode === 'bottom';
      comment._utc = stands ? comment._utc - (durationMs - this.#durationMs) / 1000 : now - (now - comment._utc) * moving;
    }
    this.#durationMs = durationMs;
    this.#danmaku.speed = this.#speed();
  }

  resize(): void {
    this.#danmaku.resize();
    this.#danmaku.speed = this.#speed();
  }

  #speed(): number {
    return Math.max(1, this.#container.offsetWidth) / (this.#durationMs / 1000);
  }
}
