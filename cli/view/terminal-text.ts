/**
 * Control characters, invisible format characters (text direction among them), line and paragraph separators, lone
 * surrogates. The joiner of emojis (U+200D) only joins.
 */
const unsafe = /(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The same for JSON and YAML, whose own line ends are needed. */
const unsafeInDocument = /(?![\n\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A foreign text (a channel, a user, a payload, the words of a server) for a terminal. What could move the cursor,
 * change colours or turn the reading direction is written as `\x1b` or `\u{202e}`.
 */
export function printable(text: string): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return short[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
  });
}

/** The same for a JSON or YAML document: the escapes of JSON, so that a reader gets the original text. */
export function printableDocument(document: string): string {
  return document.replaceAll(unsafeInDocument, (character) =>
    Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** Whether a text has a character that {@link printable} writes in another way. */
export function isPlain(text: string): boolean {
  return text.search(unsafe) === -1;
}

const wide = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;

/** Columns that a printable text takes on a terminal. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += wide.test(character) ? 2 : 1;
  return columns;
}

/** The beginning of a printable text, with `…` where it is cut. */
export function fitted(text: string, columnsMax: number): string {
  if (text.length <= columnsMax && columnsOf(text) <= columnsMax) return text;
  let kept = '';
  let columns = 0;
  for (const character of text) {
    columns += wide.test(character) ? 2 : 1;
    if (columns > columnsMax - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
