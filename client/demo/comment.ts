/** How a comment crosses the screen. `reverse` scrolls from left to right. */
export const commentModes = ['scroll', 'top', 'bottom', 'reverse'] as const;
export type CommentMode = (typeof commentModes)[number];

/** Sizes in pixels and colours that both pages offer. */
export const commentSizes = [12, 16, 18, 25, 36, 45, 64] as const;
export const commentColours = ['#ffffff', '#C0C0C0', '#000000', '#ff0000', '#ffff00', '#00ff00', '#00ffff', '#0000ff', '#ff00ff'] as const;
export const colourNames: Readonly<Record<(typeof commentColours)[number], string>> = {
  '#ffffff': 'White',
  '#C0C0C0': 'Silver',
  '#000000': 'Black',
  '#ff0000': 'Red',
  '#ffff00': 'Yellow',
  '#00ff00': 'Green',
  '#00ffff': 'Cyan',
  '#0000ff': 'Blue',
  '#ff00ff': 'Magenta',
};
export const commentDefaults = { mode: 'scroll', size: 25, color: '#ffffff' } as const;

/** Longest shown text, in characters. */
export const textCharactersMax = 200;
/** Longest payload that is parsed. A longer one is shown as plain text, cut. */
const payloadCharactersMax = 8192;

/** The content of a publication's payload, read and bounded; safe to put on a page. */
export type Payload =
  | {
      readonly kind: 'comment';
      readonly text: string;
      readonly mode: CommentMode;
      /** Pixels, 10 to 64. */
      readonly size: number;
      /** `#rrggbb`. */
      readonly color: string;
      /** Time of sending, in milliseconds since the Unix epoch, by the sender's clock. */
      readonly at: number | undefined;
      /** The sending page. */
      readonly by: string | undefined;
    }
  | {
      readonly kind: 'gift';
      readonly gift: string;
      readonly from: string;
      readonly at: number | undefined;
      readonly by: string | undefined;
    }
  | { readonly kind: 'like' };
export type CommentPayload = Extract<Payload, { kind: 'comment' }>;
export type GiftPayload = Extract<Payload, { kind: 'gift' }>;

const lineBreaksAndControls = /[\p{Cc}\u2028\u2029]+/gu;
// Overrides of writing direction would turn the page's own text around them.
const directionOverrides = /[\u202a-\u202e\u2066-\u2069]/g;

/** Makes any text one bounded line of displayable characters. */
export function displayText(text: string, charactersMax: number = textCharactersMax): string {
  // Twice as many UTF-16 units hold every character, and bound the work on a payload of a megabyte.
  const line = text
    .slice(0, charactersMax * 2)
    .toWellFormed()
    .replace(lineBreaksAndControls, ' ')
    .replace(directionOverrides, '');
  return Array.from(line).slice(0, charactersMax).join('').trim();
}

/**
 * Reads a publication's payload.
 *
 * Accepts the demo's own form `{"text","mode","size","color"}`, gifts `{"gift","from"}`, likes `{"like":true}` and
 * CONNMIX's `{"event","data":{"msg"}}`. Any other payload is a plain text. Missing or wrong fields get their default.
 * `undefined`: nothing to show.
 */
export function readPayload(data: string | Uint8Array): Payload | undefined {
  const text = typeof data === 'string' ? data : new TextDecoder().decode(data.subarray(0, payloadCharactersMax));
  const fields = text.length <= payloadCharactersMax ? readObject(text) : undefined;
  if (fields === undefined) return comment(text, {});
  if (fields['like'] === true) return { kind: 'like' };
  if (typeof fields['gift'] === 'string') {
    const gift = displayText(fields['gift'], 8);
    const from = typeof fields['from'] === 'string' ? displayText(fields['from'], 24) : '';
    return gift === '' ? undefined : { kind: 'gift', gift, from: from === '' ? 'Somebody' : from, at: time(fields), by: sender(fields) };
  }
  if (typeof fields['text'] === 'string') return comment(fields['text'], fields);
  const inner = fields['data'];
  if (isObject(inner) && typeof inner['msg'] === 'string') return comment(inner['msg'], {});
  return comment(text, {});
}

function comment(text: string, fields: Readonly<Record<string, unknown>>): CommentPayload | undefined {
  const shown = displayText(text);
  if (shown === '') return undefined;
  return {
    kind: 'comment',
    text: shown,
    mode: commentModes.find((mode) => mode === fields['mode']) ?? commentDefaults.mode,
    size: readSize(fields['size']),
    color: readColour(fields['color']),
    at: time(fields),
    by: sender(fields),
  };
}

function readSize(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
    ? Math.min(64, Math.max(10, Math.round(value)))
    : commentDefaults.size;
}

function readColour(value: unknown): string {
  return typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value) ? value.toLowerCase() : commentDefaults.color;
}

function time(fields: Readonly<Record<string, unknown>>): number | undefined {
  const at = fields['at'];
  return typeof at === 'number' && Number.isSafeInteger(at) && at > 0 ? at : undefined;
}

function sender(fields: Readonly<Record<string, unknown>>): string | undefined {
  const by = fields['by'];
  return typeof by === 'string' && by.length <= 64 ? by : undefined;
}

function readObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Least contrast of a text with what is behind it (WCAG 2.2, 1.4.3). */
const contrastMin = 4.5;

/** The relative luminance of `#rrggbb`, 0 to 1 (WCAG 2.2). */
export function luminanceOf(color: string): number {
  const value = Number.parseInt(color.slice(1), 16);
  const [red = 0, green = 0, blue = 0] = [value >> 16, (value >> 8) & 255, value & 255].map((channel) => {
    const share = channel / 255;
    return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * Whether a colour needs a light edge: it has too little contrast with a black one. Every colour has enough with black
 * or with white.
 */
export function isDarkColour(color: string): boolean {
  return (luminanceOf(color) + 0.05) / 0.05 < contrastMin;
}
