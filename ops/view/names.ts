/** Most characters of a name that the page shows. */
export const nameCharactersMax = 120;

/**
 * Characters that would change how the text around them is read: controls, line ends, marks of direction, characters
 * without a width.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]/gu;

/**
 * A name that a client or a backend chose, in a form that shows all of it: deceptive characters as `\u{…}`, and cut
 * after `nameCharactersMax`. It is for `textContent` only, never for markup.
 */
export function shownName(name: string): string {
  const characters = Array.from(name.slice(0, 2 * nameCharactersMax));
  const cut = characters.length > nameCharactersMax || name.length > 2 * nameCharactersMax;
  const shown = characters.slice(0, nameCharactersMax).join('').replaceAll(deceptive, escaped);
  return cut ? `${shown}…` : shown;
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
