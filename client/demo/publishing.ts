import type { Barrage, PublishOptions } from '../barrage.ts';
import type { CommentMode } from './comment.ts';
import { pageId } from './connection.ts';

export interface CommentDraft {
  readonly text: string;
  readonly mode: CommentMode;
  readonly size: number;
  readonly color: string;
}

/** The place that a publication got. */
interface Published {
  readonly offset: number;
  readonly epoch: string;
}

/** The publications of the pages, in the form that `readPayload` reads. All calls reject with a BarrageError. */
export class Publishing {
  readonly #barrage: Barrage;
  readonly #channel: string;
  readonly #joined: () => Promise<void>;

  /** @param joined is waited for before each publication: a page that watches its channel is to see what it sends */
  constructor(barrage: Barrage, channel: string, joined: () => Promise<void> = () => Promise.resolve()) {
    this.#barrage = barrage;
    this.#channel = channel;
    this.#joined = joined;
  }

  /** @param by who is taken for its sender: a page marks its own */
  comment(draft: CommentDraft, by: string = pageId): Promise<Published> {
    return this.#publish(JSON.stringify({ ...draft, at: Date.now(), by }));
  }

  gift(gift: string, from: string, by: string = pageId): Promise<Published> {
    return this.#publish(JSON.stringify({ gift, from, at: Date.now(), by }));
  }

  /** The gateway sums up likes: of all likes in one merge window, a viewer gets one publication with their count. */
  like(count: number): Promise<Published> {
    return this.#publish('{"like":true}', { conflateKey: 'likes', conflate: 'Sum', count });
  }

  async #publish(payload: string, options: PublishOptions = {}): Promise<Published> {
    await this.#joined();
    return this.#barrage.publish(this.#channel, payload, options);
  }
}

/** Time for which likes are collected, in milliseconds. */
const gatherMs = 250;

/** Collects the likes of a viewer who keeps the button pressed, and publishes their sum a few times a second. */
export class LikeButton {
  readonly #publish: (count: number) => void;
  #pending = 0;
  #repeat: ReturnType<typeof setInterval> | undefined;

  constructor(button: HTMLButtonElement, publish: (count: number) => void) {
    this.#publish = publish;
    button.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      this.#add();
      this.#repeat ??= setInterval(() => this.#add(), 120);
    });
    for (const end of ['pointerup', 'pointerleave', 'pointercancel', 'blur'] as const) button.addEventListener(end, () => this.#release());
    // A click without a pointer comes from the keyboard.
    button.addEventListener('click', (event) => {
      if (event.detail === 0) this.#add();
    });
  }

  #add(): void {
    this.#pending++;
    if (this.#pending > 1) return;
    setTimeout(() => {
      const count = this.#pending;
      this.#pending = 0;
      this.#publish(count);
    }, gatherMs);
  }

  #release(): void {
    clearInterval(this.#repeat);
    this.#repeat = undefined;
  }
}
