import type { Finding, Verdict } from '../view/findings.ts';
import { element, make, setAttribute, setChildren, setText } from './element.ts';

/** The state at the top of the page: is it well, and if not, what is it, and what is to be done. */
export class VerdictView {
  readonly #section = element('verdict', HTMLElement);
  readonly #text = element('verdict-text', HTMLElement);
  readonly #mark = element('verdict-mark', HTMLElement);
  readonly #list = element('findings', HTMLUListElement);

  show(verdict: Verdict, name: string): void {
    setAttribute(this.#section, 'data-state', verdict.state);
    setAttribute(this.#mark, 'class', `mark ${verdict.state}`);
    setText(this.#text, verdict.words);
    const items = verdict.findings.map((finding, index) => {
      const item = this.#list.children[index] ?? newItem();
      fill(item, finding);
      return item;
    });
    setChildren(this.#list, items);
    const prefix = verdict.state === 'broken' ? '■ ' : verdict.state === 'attention' ? '▲ ' : '';
    const title = `${prefix}${name} · Barrage operations`;
    if (document.title !== title) document.title = title;
  }
}

function newItem(): HTMLLIElement {
  const item = make('li');
  const mark = make('span', 'mark');
  mark.setAttribute('aria-hidden', 'true');
  item.append(mark, make('span', 'finding'), ' ', make('a', '', 'What to do'));
  return item;
}

function fill(item: Element, { name, severity, text }: Finding): void {
  const [mark, words, link] = [...item.children];
  if (mark !== undefined) setAttribute(mark, 'class', `mark ${severity}`);
  if (words !== undefined) setText(words, text);
  if (link === undefined) return;
  setAttribute(link, 'href', `/ops/help#${name}`);
  setAttribute(link, 'aria-label', `What to do: ${text}`);
}
