import type { Panel } from '../view/panel.ts';
import { setChildren } from './element.ts';
import { FactsView } from './facts-view.ts';
import { TableView } from './table-view.ts';

/** The panels on the page. A panel stays the same element for as long as it is shown. */
export class PanelList {
  readonly #parent: HTMLElement;
  readonly #views = new Map<string, TableView | FactsView>();

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  show(panels: readonly Panel[]): void {
    setChildren(
      this.#parent,
      panels.map((panel) => this.#node(panel)),
    );
  }

  #node(panel: Panel): HTMLElement {
    let view = this.#views.get(panel.id);
    if (panel.kind === 'table') {
      if (!(view instanceof TableView)) this.#views.set(panel.id, (view = new TableView(panel)));
      view.show(panel);
    } else {
      if (!(view instanceof FactsView)) this.#views.set(panel.id, (view = new FactsView(panel)));
      view.show(panel);
    }
    return view.node;
  }
}
