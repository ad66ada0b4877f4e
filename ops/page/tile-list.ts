import type { History } from '../view/history.ts';
import { drawnSeconds, sparkline } from '../view/sparkline.ts';
import { drawingText, drawnValues, type Tile } from '../view/tiles.ts';
import { make, setAttribute, setChildren, setText } from './element.ts';

const svg = 'http://www.w3.org/2000/svg';
const size = { width: 240, height: 44 };

/** The tiles on the page. They are made once, and then only their texts and drawings change. */
export class TileList {
  readonly #list: HTMLUListElement;
  readonly #tiles = new Map<string, TileView>();

  constructor(list: HTMLUListElement) {
    this.#list = list;
  }

  show(tiles: readonly Tile[], history: History): void {
    const views = tiles.map((tile) => {
      let view = this.#tiles.get(tile.id);
      if (view === undefined) this.#tiles.set(tile.id, (view = new TileView(tile.id)));
      view.show(tile, history);
      return view.node;
    });
    setAttribute(this.#list, 'data-count', String(views.length));
    setChildren(this.#list, views);
  }
}

class TileView {
  readonly node = make('li', 'tile');
  readonly #title = make('h2');
  readonly #value = make('b');
  readonly #unit = make('span', 'unit');
  readonly #note = make('p', 'note');
  /** Time that the drawing goes over. */
  readonly #span = make('span', 'span');
  readonly #drawing = document.createElementNS(svg, 'svg');
  readonly #area = document.createElementNS(svg, 'path');
  readonly #line = document.createElementNS(svg, 'path');

  constructor(id: string) {
    this.node.id = `tile-${id}`;
    const figure = make('p', 'figure');
    figure.append(this.#value, ' ', this.#unit);
    this.#drawing.setAttribute('viewBox', `0 0 ${size.width} ${size.height}`);
    this.#drawing.setAttribute('preserveAspectRatio', 'none');
    this.#drawing.setAttribute('role', 'img');
    this.#area.setAttribute('class', 'area');
    this.#line.setAttribute('class', 'line');
    this.#drawing.append(this.#area, this.#line);
    this.node.append(this.#title, this.#span, figure, this.#note, this.#drawing);
  }

  show(tile: Tile, history: History): void {
    setText(this.#title, tile.title);
    setText(this.#value, tile.value);
    setText(this.#unit, tile.unit);
    setText(this.#note, tile.note);
    const seconds = drawnSeconds(history.length);
    setText(this.#span, `${seconds / 60} min`);
    const { line, area, least, most } = sparkline(
      drawnValues(tile.series, (name) => history.values(name)),
      { ...size, samplesMax: seconds },
      tile.top,
    );
    setAttribute(this.#line, 'd', line);
    setAttribute(this.#area, 'd', area);
    setAttribute(this.#drawing, 'aria-label', drawingText(tile, seconds / 60, { least, most }));
    setAttribute(this.node, 'data-tone', tile.tone);
  }
}
