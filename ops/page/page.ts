import { judge } from '../view/findings.ts';
import { History } from '../view/history.ts';
import { shownName } from '../view/names.ts';
import { durationText } from '../view/numbers.ts';
import { panelsOf } from '../view/panels.ts';
import type { Snapshot } from '../view/snapshot.ts';
import { tilesOf } from '../view/tiles.ts';
import { element, setAttribute, setText } from './element.ts';
import { PanelList } from './panel-list.ts';
import { follow, type LinkState } from './stream.ts';
import { listenToThemeButton } from './theme.ts';
import { TileList } from './tile-list.ts';
import { VerdictView } from './verdict-view.ts';

/** Time without news after which the page says that its figures are old, in milliseconds. */
const oldAfterMs = 3_000;

const history = new History();
const tiles = new TileList(element('tiles', HTMLUListElement));
const panels = new PanelList(element('panels', HTMLElement));
const verdict = new VerdictView();
const link = element('link', HTMLElement);
const pause = element('pause', HTMLButtonElement);
let newest: Snapshot | undefined;
let newestAt = 0;
/** When the figures on the page came. */
let shownAt = 0;
let linkState: LinkState = { state: 'connecting' };
let isPaused = false;

function show(snapshot: Snapshot): void {
  const { process, at } = snapshot;
  const name = shownName(process.name);
  setText(element('role', HTMLElement), process.role);
  setText(element('name', HTMLElement), name);
  setText(element('uptime', HTMLElement), `up for ${durationText(at - process.startedAt)}`);
  verdict.show(judge(snapshot, history), name);
  tiles.show(tilesOf(snapshot), history);
  panels.show(panelsOf(snapshot));
  shownAt = newestAt;
}

function showLink(): void {
  const ageMs = performance.now() - newestAt;
  const isOld = newest !== undefined && ageMs > oldAfterMs;
  setAttribute(document.body, 'data-old', isOld && !isPaused ? 'true' : undefined);
  if (isPaused) {
    setText(link, `Paused ${durationText(performance.now() - shownAt)} ago`);
    setAttribute(link, 'data-state', 'paused');
    return;
  }
  setAttribute(link, 'data-state', isOld && linkState.state === 'live' ? 'lost' : linkState.state);
  const age = newest === undefined ? '' : `, figures are ${durationText(ageMs)} old`;
  switch (linkState.state) {
    case 'live':
      setText(link, isOld ? `No news${age}` : 'Live');
      break;
    case 'connecting':
      setText(link, 'Connecting…');
      break;
    case 'refused':
      setText(link, `Refused: ${linkState.why}`);
      break;
    case 'lost':
      setText(link, `Connection lost${age}`);
      break;
  }
}

pause.addEventListener('click', () => {
  isPaused = !isPaused;
  setAttribute(pause, 'aria-pressed', String(isPaused));
  if (!isPaused && newest !== undefined) show(newest);
  showLink();
});
listenToThemeButton(element('theme', HTMLButtonElement));
setInterval(showLink, 1_000);

const pool = new URLSearchParams(location.search).get('pool');
follow(pool === null ? '/ops/events' : `/ops/events?pool=${encodeURIComponent(pool)}`, {
  history: (event) => history.replace(event),
  snapshot: (event) => {
    // The first snapshot of a stream is in its history already.
    if (event.sampledAt > history.at) history.add(event.sampledAt, event.figures);
    newest = event;
    newestAt = performance.now();
    if (!isPaused) show(event);
    showLink();
  },
  link: (state) => {
    linkState = state;
    showLink();
  },
});
