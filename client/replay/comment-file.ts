import { isUtf8 } from 'node:buffer';

/** The text of a file, or the reason why it can't be decoded. `line` and `column` count from 1. */
export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'fault'; readonly line: number; readonly column: number; readonly reason: string };

const declaration = /^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/;
/** Length of a file's beginning in which the declaration of an encoding is looked for, in bytes. */
const declarationBytesMax = 1_000;

/**
 * Decodes the bytes of a comment file: UTF-8, UTF-16 by its byte order mark, or the encoding of its XML declaration.
 * UTF-8 that is declared as another encoding is still read as UTF-8. So is a file that broke off within a character. So
 * is CESU-8 (by Java), which writes characters beyond U+FFFF as two surrogates.
 */
export function textOf(bytes: Uint8Array): FileText {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
  if (utf16 !== undefined) return { kind: 'text', text: new TextDecoder(utf16).decode(bytes) };
  const text = utf8Of(bytes) ?? declared(bytes) ?? utf8Of(joinedSurrogates(bytes));
  return text === undefined ? { kind: 'fault', ...placeOfBadUtf8(bytes), reason: 'not UTF-8' } : { kind: 'text', text };
}

/**
 * The text of UTF-8 bytes; `undefined` for bytes that are no UTF-8. A character that is cut off at the end is left out.
 */
function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

/** The text in the encoding that the file itself names; `undefined` for a missing, unknown or wrong name. */
function declared(bytes: Uint8Array): string | undefined {
  const [, name] = declaration.exec(Buffer.from(bytes.subarray(0, declarationBytesMax)).toString('latin1')) ?? [];
  if (name === undefined) return undefined;
  try {
    return new TextDecoder(name, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Replaces pairs of surrogates, of three bytes each, with their character of four bytes. */
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
