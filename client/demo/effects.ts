import type { GiftPayload } from './comment.ts';
import { giftPicture } from './gift.ts';

/** Most hearts on the screen at a time. */
const heartsMax = 24;
/** Most gifts on the screen, and most gifts that wait for their turn. */
const giftsShownMax = 3;
const giftsWaitingMax = 20;
const giftMs = 4500;

/** Hearts that rise for likes. Their nodes are made once and used again. */
export class Hearts {
  readonly #container: HTMLElement;
  readonly #spare: HTMLElement[] = [];
  #made = 0;

  constructor(container: HTMLElement) {
    this.#container = container;
  }

  /** Lets some hearts rise: more for more likes, but never many. */
  rise(likes: number): void {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const hearts = Math.min(6, 1 + Math.floor(Math.log2(likes)));
    for (let index = 0; index < hearts; index++) this.#riseOne();
  }

  #riseOne(): void {
    const heart = this.#spare.pop() ?? this.#make();
    if (heart === undefined) return;
    heart.textContent = '♥';
    heart.style.setProperty('--drift', `${Math.round(Math.random() * 90 - 45)}px`);
    heart.style.setProperty('--hue', `${Math.round(325 + Math.random() * 50)}`);
    heart.style.setProperty('--size', `${Math.round(18 + Math.random() * 20)}px`);
    heart.style.animationDuration = `${Math.round(1800 + Math.random() * 1400)}ms`;
    this.#container.append(heart);
  }

  #make(): HTMLElement | undefined {
    if (this.#made >= heartsMax) return undefined;
    this.#made++;
    const heart = document.createElement('span');
    heart.className = 'heart';
    heart.addEventListener('animationend', () => {
      heart.remove();
      this.#spare.push(heart);
    });
    return heart;
  }
}

/** A banner on the screen. `offset` is that of the newest publication that it counts. */
interface ShownGift {
  readonly key: string;
  readonly node: HTMLElement;
  offset: number;
  count: number;
  timer: ReturnType<typeof setTimeout>;
}

/** Banners of gifts, a few at a time, in order. The same gift of the same giver counts up on its banner. */
export class Gifts {
  readonly #container: HTMLElement;
  readonly #missed: (count: number) => void;
  readonly #shown: ShownGift[] = [];
  #waiting: { readonly gift: GiftPayload; readonly offset: number }[] = [];

  constructor(container: HTMLElement, missed: (count: number) => void) {
    this.#container = container;
    this.#missed = missed;
  }

  show(gift: GiftPayload, offset: number): void {
    const key = `${gift.gift} ${gift.from}`;
    const same = this.#shown.find((shown) => shown.key === key);
    if (same !== undefined) {
      same.count++;
      same.offset = offset;
      clearTimeout(same.timer);
      same.timer = this.#expire(key);
      fillBanner(same.node, gift, same.count);
    } else if (this.#shown.length < giftsShownMax) {
      const node = document.createElement('div');
      node.className = 'gift-banner';
      fillBanner(node, gift, 1);
      this.#container.append(node);
      this.#shown.push({ key, node, offset, count: 1, timer: this.#expire(key) });
    } else {
      this.#waiting.push({ gift, offset });
      if (this.#waiting.length > giftsWaitingMax) {
        this.#waiting.shift();
        this.#missed(1);
      }
    }
  }

  /** Takes banners away: those whose newest gift is not wanted any more. */
  remove(isUnwanted: (offset: number) => boolean): void {
    this.#waiting = this.#waiting.filter(({ offset }) => !isUnwanted(offset));
    for (const shown of this.#shown.filter(({ offset }) => isUnwanted(offset))) {
      clearTimeout(shown.timer);
      this.#end(shown.key);
    }
  }

  clear(): void {
    this.#waiting = [];
    for (const { node, timer } of this.#shown.splice(0)) {
      clearTimeout(timer);
      node.remove();
    }
  }

  #expire(key: string): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#end(key), giftMs);
  }

  #end(key: string): void {
    const index = this.#shown.findIndex((shown) => shown.key === key);
    if (index >= 0) for (const { node } of this.#shown.splice(index, 1)) node.remove();
    const next = this.#waiting.shift();
    if (next !== undefined) this.show(next.gift, next.offset);
  }
}

function fillBanner(node: HTMLElement, gift: GiftPayload, count: number): void {
  const picture = document.createElement('b');
  picture.append(giftPicture(gift.gift));
  const from = document.createElement('span');
  from.textContent = gift.from;
  const what = document.createElement('small');
  what.textContent = 'sent a gift';
  from.append(what);
  const times = document.createElement('em');
  times.textContent = `×${count}`;
  node.replaceChildren(picture, from, times);
}
