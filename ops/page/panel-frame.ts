import type { Panel } from '../view/panel.ts';
import { make } from './element.ts';

/** The frame of a panel with its heading. */
export function panelFrame({ id, title, isWide }: Pick<Panel, 'id' | 'title' | 'isWide'>): {
  readonly node: HTMLElement;
  readonly head: HTMLElement;
} {
  const node = make('section', isWide === true ? 'panel wide' : 'panel');
  node.id = `panel-${id}`;
  const heading = make('h2', '', title);
  heading.id = `heading-${id}`;
  node.setAttribute('aria-labelledby', heading.id);
  const head = make('div', 'panel-head');
  head.append(heading);
  node.append(head);
  return { node, head };
}
