import { isUtf8 } from 'node:buffer';
import { SaxesParser } from 'saxes';

/** How a comment crosses the screen. */
type CommentMode = 'scroll' | 'top' | 'bottom' | 'reverse';

export interface Comment {
  /** When it appears, in seconds of the video. */
  readonly atSeconds: number;
  readonly text: string;
  readonly mode: CommentMode;
  /** Height of its letters, in CSS pixels. */
  readonly size: number;
  /** `#rrggbb` */
  readonly color: string;
}

/** What a comment file holds. `line` and `column` count from 1. */
export type ParsedComments =
  | {
      readonly kind: 'comments';
      /** In the order of their time; of one time, in the order of the file. */
      readonly comments: readonly Comment[];
      /** Left out: placed by coordinates or drawn by code (modes 7, 8, 9), of an unknown mode, or without text. */
      readonly leftOut: { readonly positioned: number; readonly unknownMode: number; readonly empty: number };
      /** How many have a colour that can't be read; they are white. */
      readonly colourless: number;
      /** How many characters that XML forbids (control characters that people typed) stood in texts; they are spaces. */
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
// What is not a Char of XML 1.0, production 2.
const forbiddenInXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/**
 * Reads a Bilibili comment file: XML with one `<d p="seconds,mode,size,colour,…">text</d>` for each comment. Anything that is not well-formed XML, and a
 * comment without a time, makes the whole file a fault. What stands in real files and players shrug off does not: a colour `undefined`, and control
 * characters in a comment's text.
 */
export function parseComments(bytes: Uint8Array): ParsedComments {
  if (!isUtf8(bytes)) return { kind: 'fault', ...placeOfBadUtf8(bytes), reason: 'not UTF-8' };
  return new CommentReader(new TextDecoder().decode(bytes)).read();
}

/** One run over a file: what was found so far. */
class CommentReader {
  readonly #xml: string;
  readonly #parser = new SaxesParser();
  readonly #comments: Comment[] = [];
  readonly #leftOut = { positioned: 0, unknownMode: 0, empty: 0 };
  #colourless = 0;
  #controls = 0;
  #open: { readonly p: string; readonly index: number; text: string } | undefined;
  #fault: Extract<ParsedComments, { kind: 'fault' }> | undefined;

  constructor(xml: string) {
    this.#xml = xml;
  }

  read(): ParsedComments {
    this.#listen();
    this.#parser.write(this.#xml).close();
    if (this.#fault !== undefined) return this.#fault;
    const { positioned, unknownMode, empty } = this.#leftOut;
    if (this.#comments.length + positioned + unknownMode + empty === 0) {
      return { kind: 'fault', line: 1, column: 1, reason: 'no comment in it: there is no <d p="…"> element' };
    }
    const comments = this.#comments.toSorted((a, b) => a.atSeconds - b.atSeconds);
    return { kind: 'comments', comments, leftOut: this.#leftOut, colourless: this.#colourless, controls: this.#controls };
  }

  #listen(): void {
    this.#parser.on('error', ({ message }) => {
      const reason = message.replace(/^\d+:\d+: /, '').replace(/\.$/, '');
      if (reason === 'disallowed character' && this.#open !== undefined) this.#controls++;
      else if (!this.#refuseAmpersand()) this.#refuse(reason);
    });
    this.#parser.on('opentag', ({ name, attributes }) => {
      if (this.#open !== undefined) this.#refuse(`an element <${name}> inside of a comment`);
      if (name !== 'd') return;
      if (attributes['p'] === undefined) this.#refuse('a <d> without the attribute p');
      this.#open = { p: attributes['p'] ?? '', index: this.#parser.position, text: '' };
    });
    const addText = (text: string): void => {
      if (this.#open !== undefined) this.#open.text += text;
    };
    this.#parser.on('text', addText);
    this.#parser.on('cdata', addText);
    this.#parser.on('closetag', ({ name }) => {
      if (name !== 'd' || this.#open === undefined) return;
      this.#add(this.#open.p, this.#open.text.replaceAll(forbiddenInXml, ' ').trim());
      this.#open = undefined;
    });
  }

  #add(p: string, text: string): void {
    const [seconds = '', mode = '', size = '', colour = ''] = p.split(',');
    if (!/^\d{1,9}(\.\d{1,20})?$/.test(seconds)) return this.#refuse(`a comment whose time is "${seconds}" and not seconds`);
    const known = Object.hasOwn(modes, mode) ? modes[mode] : undefined;
    if (known === undefined) this.#leftOut.unknownMode++;
    else if (known === 'positioned') this.#leftOut.positioned++;
    else if (text === '') this.#leftOut.empty++;
    else this.#comments.push({ atSeconds: Number(seconds), text, mode: known, size: sizeOf(size), color: this.#colorOf(colour) });
  }

  #colorOf(colour: string): string {
    if (/^\d{1,8}$/.test(colour) && Number(colour) <= 0xffffff) return `#${Number(colour).toString(16).padStart(6, '0')}`;
    this.#colourless++;
    return white;
  }

  /**
   * A bare & swallows what follows as the name of an entity, so that the parser's complaint comes where that ends: far off, or at the end of the file.
   * The place to tell is the & itself. Whether it was one.
   */
  #refuseAmpersand(): boolean {
    if (this.#open === undefined) return false;
    const content = this.#xml.slice(this.#open.index, this.#parser.position);
    const at = content.includes('<![CDATA[') ? -1 : content.search(/&(?!#\d+;|#x[\da-f]+;|[\p{L}_][\p{L}\p{N}_.-]*;)/iu);
    if (at >= 0)
      this.#fault ??= {
        kind: 'fault',
        ...placeOf(this.#xml, this.#open.index + at),
        reason: 'an & that begins no entity; it is written &amp;',
      };
    return at >= 0;
  }

  /** The first fault is the one to tell; what follows from it is not. */
  #refuse(reason: string): void {
    this.#fault ??= { kind: 'fault', line: this.#parser.line, column: this.#parser.column + 1, reason };
  }
}

/** The line and column of an index, both from 1. */
function placeOf(xml: string, index: number): { readonly line: number; readonly column: number } {
  const before = xml.slice(0, index).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

function sizeOf(size: string): number {
  return /^\d{1,3}$/.test(size) && Number(size) > 0 ? Math.min(Number(size), sizeMax) : sizeFallback;
}

function placeOfBadUtf8(bytes: Uint8Array): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(0x0a, start)) {
    line++;
    start = end + 1;
  }
  const text = new TextDecoder().decode(bytes.subarray(start));
  return { line, column: text.indexOf('\ufffd') + 1 };
}

/** The payload that is published for a comment: what the demo's screen reads. */
export function payloadOf({ text, mode, size, color }: Comment): string {
  return JSON.stringify({ text, mode, size, color });
}
