import type { FactsPanel } from '../view/panel.ts';
import { make, setAttribute, setChildren, setText } from './element.ts';
import { panelFrame } from './panel-frame.ts';

/** A panel of names and values. */
export class FactsView {
  readonly node: HTMLElement;
  readonly #words = make('p', 'words');
  readonly #progress = make('progress');
  readonly #list = make('dl');

  constructor(panel: FactsPanel) {
    const { node } = panelFrame(panel);
    this.node = node;
    this.#progress.max = 1000;
    this.#progress.setAttribute('aria-labelledby', `heading-${panel.id}`);
    node.append(this.#progress, this.#words, this.#list);
  }

  show({ facts, progress, words }: FactsPanel): void {
    const text = progress?.words ?? words ?? '';
    setText(this.#words, text);
    this.#words.hidden = text === '';
    this.#progress.hidden = progress === undefined;
    if (progress !== undefined) this.#progress.value = Math.round(progress.share * 1000);
    const groups = facts.map(({ name, value, level }, index) => {
      const group = this.#list.children[index] ?? newGroup();
      const [term, definition] = [...group.children];
      if (term !== undefined) setText(term, name);
      if (definition !== undefined) {
        setText(definition, value);
        setAttribute(definition, 'data-level', level);
      }
      return group;
    });
    setChildren(this.#list, groups);
  }
}

function newGroup(): HTMLElement {
  const group = make('div');
  group.append(make('dt'), make('dd'));
  return group;
}
