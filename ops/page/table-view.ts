import { countText } from '../view/numbers.ts';
import { chosenRows, type Cell, type Column, type Row, type TablePanel } from '../view/panel.ts';
import { make, setAttribute, setChildren, setText } from './element.ts';
import { panelFrame } from './panel-frame.ts';

/** A panel with a table. Rows keep their elements by key, so that a reader's place and selection stay. */
export class TableView {
  readonly node: HTMLElement;
  readonly #about = make('p', 'about');
  readonly #empty = make('p', 'empty');
  readonly #region = make('div', 'region');
  readonly #body = make('tbody');
  readonly #headings: readonly HTMLTableCellElement[];
  readonly #more = make('p', 'about');
  #rows = new Map<string, HTMLTableRowElement>();
  #panel: TablePanel;
  #wanted = '';
  #column: number | undefined;
  #isDescending = false;

  constructor(panel: TablePanel) {
    this.#panel = panel;
    const { node, head } = panelFrame(panel);
    this.node = node;
    this.#about.id = `about-${panel.id}`;
    const table = make('table');
    table.setAttribute('aria-labelledby', `heading-${panel.id}`);
    table.setAttribute('aria-describedby', this.#about.id);
    this.#headings = panel.columns.map((column, index) => this.#heading(column, index));
    const row = make('tr');
    row.append(...this.#headings);
    const header = make('thead');
    header.append(row);
    table.append(header, this.#body);
    // A table that is wider than the window scrolls, by the keyboard too.
    this.#region.tabIndex = 0;
    this.#region.setAttribute('role', 'group');
    this.#region.setAttribute('aria-labelledby', `heading-${panel.id}`);
    this.#region.append(table);
    if (panel.isSortable === true) head.append(this.#filter(panel));
    node.append(this.#about, this.#region, this.#empty, this.#more);
  }

  show(panel: TablePanel): void {
    this.#panel = panel;
    setText(this.#about, panel.about);
    setText(this.#empty, panel.empty);
    this.#empty.hidden = panel.rows.length > 0;
    this.#region.hidden = panel.rows.length === 0;
    this.#draw();
  }

  #draw(): void {
    const { rows, matches } = chosenRows(this.#panel.rows, {
      wanted: this.#wanted,
      column: this.#column,
      isDescending: this.#isDescending,
    });
    const before = this.#rows;
    this.#rows = new Map(rows.map((row) => [row.key, before.get(row.key) ?? this.#newRow()]));
    for (const row of rows) this.#fill(this.#rows.get(row.key), row);
    setChildren(this.#body, [...this.#rows.values()]);
    const isPart = rows.length < this.#panel.rows.length;
    setText(
      this.#more,
      isPart ? `${countText(rows.length)} of ${countText(matches)} that match, of ${countText(this.#panel.rows.length)}.` : '',
    );
    this.#more.hidden = !isPart;
  }

  #newRow(): HTMLTableRowElement {
    const row = make('tr');
    for (const [index, { kind, isMinor }] of this.#panel.columns.entries()) {
      const cell = make(index === 0 ? 'th' : 'td', `${kind}${isMinor === true ? ' minor' : ''}`);
      if (index === 0) cell.setAttribute('scope', 'row');
      cell.append(make('span', 'cell'));
      row.append(cell);
    }
    return row;
  }

  #fill(row: HTMLTableRowElement | undefined, { cells, isChosen }: Row): void {
    if (row === undefined) return;
    setAttribute(row, 'aria-current', isChosen === true ? 'true' : undefined);
    for (const [index, cell] of cells.entries()) fillCell(row.cells[index], cell);
  }

  #heading({ title, kind, isMinor }: Column, index: number): HTMLTableCellElement {
    const heading = make('th', `${kind}${isMinor === true ? ' minor' : ''}`);
    heading.scope = 'col';
    if (this.#panel.isSortable !== true) {
      heading.textContent = title;
      return heading;
    }
    const button = make('button', 'sort', title);
    button.type = 'button';
    button.addEventListener('click', () => this.#sort(index));
    heading.append(button);
    return heading;
  }

  #sort(index: number): void {
    const isNumber = this.#panel.columns[index]?.kind === 'number';
    // Of numbers the highest are wanted first.
    this.#isDescending = this.#column === index ? !this.#isDescending : isNumber;
    this.#column = index;
    for (const [each, heading] of this.#headings.entries())
      setAttribute(heading, 'aria-sort', each === index ? (this.#isDescending ? 'descending' : 'ascending') : undefined);
    this.#draw();
  }

  #filter({ id, title }: TablePanel): HTMLElement {
    const label = make('label', 'filter', 'Filter ');
    const input = make('input');
    input.type = 'search';
    input.id = `filter-${id}`;
    input.setAttribute('aria-label', `Filter ${title.toLowerCase()}`);
    input.addEventListener('input', () => {
      this.#wanted = input.value;
      this.#draw();
    });
    label.append(input);
    return label;
  }
}

function fillCell(node: HTMLTableCellElement | undefined, { text, hint, level, bar, link }: Cell): void {
  const holder = node?.firstElementChild;
  if (node === undefined || !(holder instanceof HTMLElement)) return;
  if (link === undefined) {
    setText(holder, text);
  } else {
    let anchor = holder.querySelector('a');
    if (anchor === null) {
      anchor = make('a');
      holder.replaceChildren(anchor);
    }
    setText(anchor, text);
    setAttribute(anchor, 'href', link);
  }
  setAttribute(node, 'title', hint);
  setAttribute(node, 'data-level', level);
  if (bar === undefined) holder.classList.remove('bar-cell');
  else {
    holder.classList.add('bar-cell');
    holder.style.setProperty('--share', `${Math.round(Math.min(1, Math.max(0, bar)) * 100)}%`);
  }
}
