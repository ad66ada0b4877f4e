import { textCharactersMax } from './comment.ts';
import { colourChips, modeChips, sizeChips } from './choices.ts';
import { errorInWords } from './connection.ts';
import { element } from './element.ts';
import type { CommentDraft } from './publishing.ts';

const noticeMs = 5000;

/** The form that sends a comment: a line of text, and chips for how it looks. Both pages have it, with the same ids. */
export class Composer {
  readonly #notice = element('notice', HTMLElement);
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #draft: (text: string) => CommentDraft;

  /** @param send rejects with the message to show; the text is then given back to the field */
  constructor(send: (draft: CommentDraft) => Promise<unknown>) {
    const mode = modeChips(element('choose-mode', HTMLElement));
    const size = sizeChips(element('choose-size', HTMLElement));
    const colour = colourChips(element('choose-colour', HTMLElement));
    const field = element('comment-text', HTMLInputElement);
    field.maxLength = textCharactersMax;
    this.#draft = (text) => ({ text, mode: mode.value, size: size.value, color: colour.value });
    bindPopover();
    element('composer', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text === '') {
        field.focus();
        return;
      }
      field.value = '';
      send(this.draft(text)).then(
        () => this.clearNotice(),
        (error: unknown) => {
          if (field.value === '') field.value = text;
          this.notice(errorInWords(error));
        },
      );
    });
  }

  /** A comment with the form's present values. */
  draft(text: string): CommentDraft {
    return this.#draft(text);
  }

  /** Takes the sentence away: its cause is over. */
  clearNotice(): void {
    clearTimeout(this.#noticeTimer);
    this.#notice.hidden = true;
  }

  /** Shows a sentence beside the form for a few seconds, or until its cause is over. */
  notice(text: string): void {
    this.#notice.textContent = text;
    this.#notice.hidden = false;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => this.clearNotice(), noticeMs);
  }
}

/** On a narrow page the looks stand in a popover. It closes on Escape, and on a press elsewhere. */
function bindPopover(): void {
  const looks = document.querySelector<HTMLDetailsElement>('details.looks');
  if (looks === null) return;
  looks.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    looks.open = false;
    looks.querySelector('summary')?.focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (event.target instanceof Node && !looks.contains(event.target)) looks.open = false;
  });
}
