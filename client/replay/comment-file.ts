import { isUtf8 } from 'node:buffer';

/** The text of a file, or why it is none. `line` and `column` count from 1. */
export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'fault'; readonly line: number; readonly column: number; readonly reason: string };

const declaration = /^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/;
/** How far the declaration of an encoding is looked for, in bytes. */
const declarationBytesMax = 1_000;

/**
 * Decodes the bytes of a comment file: UTF-8, UTF-16 by its byte order mark, or what its XML declaration names. A file that says otherwise and is UTF-8
 * is UTF-8; so is one that broke off within a character, and one whose characters beyond U+FFFF were written as two surrogates (CESU-8, by Java).
 */
export function textOf(bytes: Uint8Array): FileText {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  if (utf16 !== undefined) return { kind: 'text', text: new TextDecoder(utf16).decode(bytes) };
  const text = utf8Of(bytes) ?? declared(bytes) ?? utf8Of(joinedSurrogates(bytes));
  return text === undefined ? { kind: 'fault', ...placeOfBadUtf8(bytes), reason: 'not UTF-8' } : { kind: 'text', text };
}

/** `undefined` where the bytes are no UTF-8. A character that is cut off at the end is left out. */
function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** By the encoding that the file itself names; `undefined` where it names none, or one that is unknown or does not fit. */
function declared(bytes: Uint8Array): string | undefined {
  const [, name] = declaration.exec(Buffer.from(bytes.subarray(0, declarationBytesMax)).toString('latin1')) ?? [];
  if (name === undefined) return undefined;
  try {
    return new TextDecoder(name, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Pairs of surrogates of three bytes each become the character of four bytes that they stand for. */
function joinedSurrogates(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const joined = text.replaceAll(/\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])/g, (pair) => {
    const unit = (at: number): number => 0xd000 | ((pair.charCodeAt(at + 1) & 0x3f) << 6) | (pair.charCodeAt(at + 2) & 0x3f);
    return Buffer.from(String.fromCharCode(unit(0), unit(3))).toString('latin1');
  });
  return Buffer.from(joined, 'latin1');
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
