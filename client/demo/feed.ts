/** One line of the list. */
export interface FeedLine {
  readonly text: string;
  readonly color: string;
  readonly kind: 'comment' | 'gift';
  readonly own: boolean;
  /** Of the publication that it shows. */
  readonly offset: number;
}

/** Most kept lines. */
export const feedLinesMax = 500;
/** Height of one line in pixels; the style sheet sets the same. */
const lineHeightPx = 32;

/**
 * The list of comments: the newest 500. Only the lines in sight have a node. The list follows the newest line until the
 * reader scrolls up. Then it stays, and shows how many lines came since.
 */
export class Feed {
  readonly #viewport: HTMLElement;
  readonly #canvas: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #empty: HTMLElement;
  readonly #rows: HTMLElement[] = [];
  #lines: FeedLine[] = [];
  #follows = true;
  #unread = 0;
  #frame = 0;

  constructor(elements: {
    readonly viewport: HTMLElement;
    readonly canvas: HTMLElement;
    readonly more: HTMLButtonElement;
    readonly empty: HTMLElement;
  }) {
    this.#viewport = elements.viewport;
    this.#canvas = elements.canvas;
    this.#more = elements.more;
    this.#empty = elements.empty;
    this.#viewport.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#more.addEventListener('click', () => this.#toNewest());
    new ResizeObserver(() => this.#wake()).observe(this.#viewport);
  }

  get count(): number {
    return this.#lines.length;
  }

  push(lines: readonly FeedLine[]): void {
    if (lines.length === 0) return;
    const all = this.#lines.concat(lines);
    const dropped = Math.max(0, all.length - feedLinesMax);
    this.#lines = dropped > 0 ? all.slice(dropped) : all;
    if (!this.#follows) {
      this.#unread = Math.min(this.#unread + lines.length, feedLinesMax);
      // The lines in sight stay where they are while the oldest lines go.
      if (dropped > 0) this.#viewport.scrollTop = Math.max(0, this.#viewport.scrollTop - dropped * lineHeightPx);
    }
    this.#wake();
  }

  /** Takes lines out. */
  remove(isUnwanted: (offset: number) => boolean): void {
    this.#lines = this.#lines.filter(({ offset }) => !isUnwanted(offset));
    this.#wake();
  }

  #wake(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#render());
  }

  #scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.#viewport;
    this.#follows = scrollTop + clientHeight >= scrollHeight - lineHeightPx;
    if (this.#follows) this.#unread = 0;
    this.#wake();
  }

  #toNewest(): void {
    this.#follows = true;
    this.#unread = 0;
    this.#wake();
    this.#viewport.focus();
  }

  #render(): void {
    this.#frame = 0;
    const height = this.#viewport.clientHeight;
    this.#empty.hidden = this.#lines.length > 0;
    this.#more.hidden = this.#unread === 0;
    if (this.#unread > 0) this.#more.textContent = `${this.#unread >= feedLinesMax ? '500+' : this.#unread} new`;
    if (height === 0) return;
    this.#canvas.style.height = `${this.#lines.length * lineHeightPx}px`;
    if (this.#follows) this.#viewport.scrollTop = this.#lines.length * lineHeightPx;
    const first = Math.max(0, Math.floor(this.#viewport.scrollTop / lineHeightPx));
    const inSight = Math.min(this.#lines.length - first, Math.ceil(height / lineHeightPx) + 1);
    for (let index = 0; index < Math.max(inSight, this.#rows.length); index++) {
      const row = this.#row(index);
      const line = index < inSight ? this.#lines[first + index] : undefined;
      row.hidden = line === undefined;
      if (line !== undefined) fill(row, line, (first + index) * lineHeightPx);
    }
  }

  #row(index: number): HTMLElement {
    const existing = this.#rows[index];
    if (existing !== undefined) return existing;
    const row = document.createElement('li');
    row.append(document.createElement('i'), document.createElement('span'));
    this.#rows.push(row);
    this.#canvas.append(row);
    return row;
  }
}

function fill(row: HTMLElement, line: FeedLine, top: number): void {
  const [dot, text] = row.children;
  row.className = line.own ? `${line.kind} own` : line.kind;
  row.style.transform = `translateY(${top}px)`;
  if (dot instanceof HTMLElement) dot.style.background = line.color;
  if (text !== undefined && text.textContent !== line.text) text.textContent = line.text;
}
