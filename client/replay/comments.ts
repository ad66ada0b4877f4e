import { decodeHTMLStrict } from 'entities';
import { textOf } from './comment-file.ts';

/** How a comment crosses the screen. */
type CommentMode = 'scroll' | 'top' | 'bottom' | 'reverse';

export interface Comment {
  /** Time of the comment's appearance, in seconds of the video. */
  readonly atSeconds: number;
  readonly text: string;
  readonly mode: CommentMode;
  /** Height of the letters, in CSS pixels. */
  readonly size: number;
  /** `#rrggbb` */
  readonly color: string;
}

/** Numbers of comments that are not played, by reason. */
export interface LeftOut {
  /** Comments that are placed by coordinates or drawn by code (modes 7, 8, 9). */
  readonly positioned: number;
  readonly unknownMode: number;
  readonly empty: number;
  /** Comments without a readable time. */
  readonly untimed: number;
  /** Comments that are cut off, or have an unreadable tag. */
  readonly broken: number;
}

/** The content of a comment file. `line` and `column` count from 1. */
export type ParsedComments =
  | {
      readonly kind: 'comments';
      /** Comments in the order of their time; at one time, in the order of the file. */
      readonly comments: readonly Comment[];
      readonly leftOut: LeftOut;
      /** Number of comments with an unreadable colour; they are white. */
      readonly colourless: number;
      /** Number of characters in texts that XML forbids (control characters that people typed); they are spaces. */
      readonly controls: number;
    }
  | { readonly kind: 'fault'; readonly line: number; readonly column: number; readonly reason: string };

const modes: Readonly<Record<string, CommentMode | 'positioned'>> = {
  1: 'scroll',
  2: 'scroll',
  3: 'scroll',
  4: 'bottom',
  5: 'top',
  6: 'reverse',
  7: 'positioned',
  8: 'positioned',
  9: 'positioned',
};
const sizeFallback = 25;
const sizeMax = 200;
const white = '#ffffff';
// Characters that are no Char of XML 1.0, production 2.
const forbiddenInXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/**
 * Reads a Bilibili comment file: one `<d p="seconds,mode,size,colour,…">text</d>` for each comment, in form 1 or 2.
 *
 * The reader follows players, not XML. Recorders that died leave no closing tags. People type `&`, `<` and control
 * characters, which recorders write as they are. An unreadable comment is left out and counted. Only a file without a
 * comment is a fault.
 */
export function parseComments(bytes: Uint8Array): ParsedComments {
  const decoded = textOf(bytes);
  const isXml = /^\s*</.test(decoded.kind === 'text' ? decoded.text : Buffer.from(bytes.subarray(0, 100)).toString('latin1'));
  if (decoded.kind === 'fault') return isXml ? decoded : noXml('binary');
  const reader = new CommentReader(decoded.text);
  const found = reader.read();
  if (found.comments.length === 0 && !isXml) return noXml(decoded.text);
  if (found.comments.length > 0 || Object.values(found.leftOut).some((count) => count > 0)) return found;
  return { kind: 'fault', line: 1, column: 1, reason: 'no comment in it: there is no <d p="…"> element' };
}

function noXml(text: string): ParsedComments {
  const reason = text.trim() === '' ? 'the file is empty' : /^\s*[{[]/.test(text) ? 'this is no XML, but JSON' : 'this is no XML';
  return { kind: 'fault', line: 1, column: 1, reason };
}

// Sticky: the attributes and the end of a tag whose name was read. Values may lack their quotes, and may hold any other
// character.
const restOfTag = /((?:\s+[^\s=<>"'/]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))*)\s*(\/?)>/y;
const placeAttribute = /\sp\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))/;
const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const unixTime = /^\d{9,10}$/;

/** The fields of `p`, as text. */
interface Place {
  readonly seconds: number;
  readonly mode: string;
  readonly size: string;
  readonly colour: string;
}

/** One run over a file, with its findings so far. */
class CommentReader {
  readonly #xml: string;
  readonly #comments: Comment[] = [];
  readonly #leftOut = { positioned: 0, unknownMode: 0, empty: 0, untimed: 0, broken: 0 };
  #colourless = 0;
  #controls = 0;
  readonly #absent = new Set<string>();

  constructor(xml: string) {
    this.#xml = xml;
  }

  read(): Extract<ParsedComments, { kind: 'comments' }> {
    const xml = this.#xml;
    const markup = /<!--|<!\[CDATA\[|<d(?=[\s/>])/g;
    for (let found = markup.exec(xml); found !== null; found = markup.exec(xml)) {
      if (found[0] === '<d') markup.lastIndex = this.#element(markup.lastIndex);
      else {
        // A section or an XML comment that never ends is a text.
        markup.lastIndex = this.#after(found[0] === '<!--' ? '-->' : ']]>', markup.lastIndex) ?? markup.lastIndex;
      }
    }
    const comments = this.#comments.toSorted((a, b) => a.atSeconds - b.atSeconds);
    return { kind: 'comments', comments, leftOut: this.#leftOut, colourless: this.#colourless, controls: this.#controls };
  }

  /** Reads the element whose name ends at `index`; returns the index from which to go on. */
  #element(index: number): number {
    restOfTag.lastIndex = index;
    const tag = restOfTag.exec(this.#xml);
    if (tag === null) {
      this.#leftOut.broken++;
      return index;
    }
    const [, attributes = '', slash] = tag;
    const [, ...values] = placeAttribute.exec(attributes) ?? [];
    const p = values.find((value) => value !== undefined);
    const start = restOfTag.lastIndex;
    if (slash === '/') {
      this.#add(p, '');
      return start;
    }
    const end = this.#contentEnd(start);
    if (end.isClosed) this.#add(p, contentText(this.#xml.slice(start, end.at)));
    else this.#leftOut.broken++;
    return end.at;
  }

  /** The end of the content that begins at `start`: at `</d>`, or else at the next comment or the end of the file. */
  #contentEnd(start: number): { readonly at: number; readonly isClosed: boolean } {
    const markup = /<!\[CDATA\[|<\/d\s*>|<d\s+p\s*=/g;
    markup.lastIndex = start;
    for (let found = markup.exec(this.#xml); found !== null; found = markup.exec(this.#xml)) {
      if (!found[0].startsWith('<!')) return { at: found.index, isClosed: found[0].startsWith('</') };
      markup.lastIndex = this.#after(']]>', markup.lastIndex) ?? markup.lastIndex;
    }
    return { at: this.#xml.length, isClosed: false };
  }

  /**
   * The index behind the next `end`; `undefined` when there is none. A missing `end` is looked for once: each search
   * would run through the file.
   */
  #after(end: string, index: number): number | undefined {
    const at = this.#absent.has(end) ? -1 : this.#xml.indexOf(end, index);
    if (at >= 0) return at + end.length;
    this.#absent.add(end);
    return undefined;
  }

  #add(p: string | undefined, content: string): void {
    const place = p === undefined ? undefined : placeOf(p);
    if (place === undefined) {
      this.#leftOut.untimed++;
      return;
    }
    const { seconds, mode, size, colour } = place;
    const known = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
    this.#controls += content.match(forbiddenInXml)?.length ?? 0;
    const text = content.replaceAll(forbiddenInXml, ' ').trim();
    if (known === undefined) this.#leftOut.unknownMode++;
    else if (known === 'positioned') this.#leftOut.positioned++;
    else if (text === '') this.#leftOut.empty++;
    else this.#comments.push({ atSeconds: seconds, text, mode: known, size: sizeOf(size), color: this.#colorOf(colour) });
  }

  #colorOf(colour: string): string {
    if (/^\d{1,8}$/.test(colour) && Number(colour) <= 0xffffff) return `#${Number(colour).toString(16).padStart(6, '0')}`;
    this.#colourless++;
    return white;
  }
}

/**
 * A comment's text: entities are decoded. Text that only looks like markup (`<hello>`, `a<b`, a lone `&`) stays as its
 * author typed it.
 */
function contentText(content: string): string {
  return content
    .split(/(<!\[CDATA\[[\s\S]*?\]\]>)/)
    .map((part, index) => (index % 2 === 1 ? part.slice('<![CDATA['.length, -']]>'.length) : decoded(part)))
    .join('');
}

/** A character beyond U+FFFF may be written as two references, one for each surrogate. */
function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|\w{1,32});/gi, (entity, decimal?: string, hexadecimal?: string) => {
    if (decimal === undefined && hexadecimal === undefined) return decodeHTMLStrict(entity);
    const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
    return code <= 0xffff ? String.fromCharCode(code) : code <= 0x10ffff ? String.fromCodePoint(code) : entity;
  });
}

/**
 * Reads `p`. Form 1 is `seconds,mode,size,colour,unixTime,…`; some sources leave out the size. Form 2 is
 * `id,…,milliseconds,mode,size,colour,unixTime,…`. A time before the beginning counts as the beginning.
 */
function placeOf(p: string): Place | undefined {
  const fields = p.split(',').map((field) => field.trim());
  const isForm2 = unixTime.test(fields[6] ?? '') && /^\d$/.test(fields[3] ?? '') && /^\d{1,3}$/.test(fields[4] ?? '');
  const [time = '', mode = '', size = '', colour = ''] = isForm2 ? fields.slice(2) : fields;
  const seconds = number.test(time) ? Number(time) / (isForm2 ? 1000 : 1) : Number.NaN;
  if (!Number.isFinite(seconds)) return undefined;
  const isWithoutSize = !isForm2 && /^\d{1,8}$/.test(size) && (colour.startsWith('[') || (size.length > 3 && !/^\d+$/.test(colour)));
  return { seconds: Math.max(0, seconds), mode, ...(isWithoutSize ? { size: '', colour: size } : { size, colour }) };
}

function sizeOf(size: string): number {
  return /^\d{1,3}$/.test(size) && Number(size) > 0 ? Math.min(Number(size), sizeMax) : sizeFallback;
}

/** The published payload of a comment, in the form of the demo's screen. */
export function payloadOf({ text, mode, size, color }: Comment): string {
  return JSON.stringify({ text, mode, size, color });
}
