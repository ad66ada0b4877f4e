import { concertSeconds, moments, shares, type Language } from './moments.ts';
import { cheers, laughter, places, smallTalk } from './small-talk.ts';

/** Number of comments of the file. */
export const commentsTotal = 2_000;
/** Number of viewers who write. */
const viewersTotal = 640;
const seed = 20_261_130;
/** Unix time at which the concert began, in seconds. */
const beganAt = 1_790_000_000;
/** Small talk that only makes sense once the cat was on the stage, and since when, in seconds. */
const ofTheCat = {
  words: /猫|ねこ|cat\b|Amp|アンプ|앰프|고양이|gato|chat dort|raté|verpasst|Katze|قطة|बिल्ली|miss|perdi|raté|错过|音箱/i,
  fromSeconds: 196,
} as const;
/** Shares of the kinds of small talk. */
const smallTalkKinds = { cheer: 0.09, laughter: 0.1 } as const;

const white = 0xffffff;
const colours = [0xff6b6b, 0xff9f43, 0xffd166, 0xffff00, 0xa0ee00, 0x00e5a0, 0x4dd8ff, 0x89d5ff, 0xc8a2ff, 0xff8ad8, 0xc0c0c0];

interface Comment {
  readonly atSeconds: number;
  readonly text: string;
  readonly mode: number;
  readonly size: number;
  readonly colour: number;
  readonly viewer: number;
}

/** In [0, 1); the same numbers in every run. The generator is Mulberry32. */
function chanceOf(begin: number): () => number {
  let state = begin;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Hands out phrases in a shuffled order, all of them before one comes again. */
class Deck {
  readonly #phrases: readonly string[];
  readonly #chance: () => number;
  #left: string[] = [];

  constructor(phrases: string, chance: () => number) {
    this.#phrases = phrases.split(' / ');
    this.#chance = chance;
  }

  draw(): string {
    if (this.#left.length === 0) this.#left = [...this.#phrases];
    return this.#left.splice(Math.floor(this.#chance() * this.#left.length), 1)[0] ?? '';
  }
}

/** Writes the comments of the concert, and tells how they look. */
class Audience {
  readonly #chance = chanceOf(seed);
  readonly #talk: Readonly<Record<Language, Deck>>;
  readonly #places: Readonly<Record<Language, Deck>>;
  readonly #cheers = new Deck(cheers, this.#chance);
  readonly #languages = Array.from({ length: viewersTotal }, () => this.#language());

  constructor() {
    this.#talk = this.#decks(smallTalk);
    this.#places = this.#decks(places);
  }

  comments(): readonly Comment[] {
    const reactions = moments.flatMap((moment) => {
      const decks = this.#decks(moment.phrases);
      return Array.from({ length: moment.reactions }, () => {
        // Nobody reacts within half a second. Most do early, and some long after.
        const atSeconds = moment.atSeconds + 0.5 + (moment.lastsSeconds * (this.#chance() + this.#chance() ** 3)) / 1.6;
        const { viewer, language } = this.#viewer();
        const text = this.#chance() < 0.12 ? this.#laughter(language) : this.#excited(decks[language].draw());
        return { atSeconds, text, viewer, ...this.#looks(text, 'moment') };
      });
    });
    const talk = Array.from({ length: commentsTotal - reactions.length }, () => {
      const atSeconds = 0.4 + this.#chance() * (concertSeconds - 1);
      const { viewer, language } = this.#viewer();
      const kind = this.#chance();
      const { cheer, laughter } = smallTalkKinds;
      const isWord = kind >= cheer + laughter;
      const text = isWord ? this.#saying(language, atSeconds) : kind < cheer ? this.#cheers.draw() : this.#laughter(language);
      return { atSeconds, text, viewer, ...this.#looks(text, 'talk') };
    });
    return [...reactions, ...talk].toSorted((one, other) => one.atSeconds - other.atSeconds);
  }

  #decks(phrases: Readonly<Record<Language, string>>): Readonly<Record<Language, Deck>> {
    const decks = Object.entries(phrases).map(([language, text]) => [language, new Deck(text, this.#chance)] as const);
    return Object.fromEntries(decks) as Record<Language, Deck>;
  }

  /** Some write much, and each in one language. */
  #viewer(): { readonly viewer: number; readonly language: Language } {
    const viewer = Math.floor(this.#chance() ** 1.6 * viewersTotal);
    return { viewer, language: this.#languages[viewer] ?? 'zh' };
  }

  #language(): Language {
    let left = this.#chance() * 100;
    for (const [language, share] of Object.entries(shares)) {
      left -= share;
      if (left < 0) return language as Language;
    }
    return 'zh';
  }

  #laughter(language: Language): string {
    const [begin, again] = laughter[language];
    return begin + again.repeat(1 + Math.floor(this.#chance() ** 2 * 9));
  }

  /** A phrase with its blank filled in. */
  #saying(language: Language, atSeconds: number): string {
    let phrase = this.#talk[language].draw();
    while (atSeconds < ofTheCat.fromSeconds && ofTheCat.words.test(phrase)) phrase = this.#talk[language].draw();
    return phrase.replace(/\{(.+?)\}/, (_, word: string) => {
      const isNumber = ['数字', 'hour', '数', '수', 'hora', 'heure', 'Stunde', 'ساعة', 'बजे'].includes(word);
      return isNumber ? String(1 + Math.floor(this.#chance() * 5)) : this.#places[language].draw();
    });
  }

  /** Some lean on the keys. */
  #excited(phrase: string): string {
    if (!/[!!]$/.test(phrase) || this.#chance() < 0.6) return phrase;
    return phrase + phrase.slice(-1).repeat(1 + Math.floor(this.#chance() * 3));
  }

  #looks(text: string, kind: 'moment' | 'talk'): Pick<Comment, 'mode' | 'size' | 'colour'> {
    const [tint, mode, size] = [this.#chance(), this.#chance(), this.#chance()];
    const isShort = text.length <= 14;
    return {
      mode: mode < 0.04 && isShort ? 5 : mode < 0.07 && isShort ? 4 : mode < 0.09 ? 6 : 1,
      size: size < (kind === 'moment' ? 0.1 : 0.02) && isShort ? 36 : size > 0.86 ? 18 : 25,
      colour: tint < (kind === 'moment' ? 0.42 : 0.2) ? (colours[Math.floor(this.#chance() * colours.length)] ?? white) : white,
    };
  }
}

/** The whole file: 2,000 comments on thirteen minutes of a concert, in Bilibili's XML. */
export function concertComments(): string {
  const lines = new Audience().comments().map(({ atSeconds, text, mode, size, colour, viewer }, index) => {
    const user = (Math.imul(viewer + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
    const at = atSeconds.toFixed(3);
    return `  <d p="${at},${mode},${size},${colour},${beganAt + Math.floor(atSeconds)},0,${user},${index + 1}">${escaped(text)}</d>`;
  });
  const origin = 'Made by examples/comments/generate.ts. No rights reserved: CC0 1.0.';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<!-- ${origin} -->\n<i>\n  <chatserver>localhost</chatserver>\n${lines.join('\n')}\n</i>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
