import { limits } from './limits.ts';

export type ParsedJson = { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'fault'; readonly message: string };

/**
 * Parses untrusted JSON. A syntax error, or nesting beyond `limits.jsonDepthMax`, is a fault and never an exception.
 */
export function parseJson(text: string): ParsedJson {
  if (!opensAtMost(text, limits.jsonDepthMax) && nestingOf(text) > limits.jsonDepthMax)
    return { kind: 'fault', message: `JSON is nested deeper than ${limits.jsonDepthMax}` };
  try {
    return { kind: 'value', value: JSON.parse(text) };
  } catch {
    return { kind: 'fault', message: 'not JSON' };
  }
}

/** Parses untrusted JSON that must be an object. */
export function parseJsonObject(
  text: string,
): { readonly kind: 'object'; readonly value: Readonly<Record<string, unknown>> } | Extract<ParsedJson, { kind: 'fault' }> {
  const parsed = parseJson(text);
  if (parsed.kind === 'fault') return parsed;
  const { value } = parsed;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'fault', message: 'not a JSON object' };
  return { kind: 'object', value: value as Readonly<Record<string, unknown>> };
}

/**
 * Whether a text has too few opening brackets for a deeper nesting. This check is fast, and true of nearly every
 * message.
 */
function opensAtMost(text: string, brackets: number): boolean {
  let left = brackets;
  for (const bracket of ['{', '['])
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (--left < 0) return false;
  return true;
}

/** The deepest nesting of brackets outside strings. Exact for valid JSON; an upper bound for any other text. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (inString) {
      if (unit === 0x5c) index++;
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) {
      inString = true;
    } else if (unit === 0x7b || unit === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (unit === 0x7d || unit === 0x5d) {
      depth--;
    }
  }
  return deepest;
}
