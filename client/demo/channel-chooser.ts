import { pageLink } from './connection.ts';
import { element } from './element.ts';

const storageKey = 'barrage.channels';
/** Most channels that a browser remembers. */
const recentMax = 8;

/** The form behind the channel's name: leads this page to another channel, typed or one of the last ones. */
export function bindChannelChooser(path: '/' | '/emit', channel: string): void {
  const recent = [channel, ...loadRecent().filter((name) => name !== channel)].slice(0, recentMax);
  saveRecent(recent);
  const list = element('recent-channels', HTMLDataListElement);
  list.replaceChildren(...recent.map((name) => new Option(name, name)));
  const field = element('channel-field', HTMLInputElement);
  element('channel-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    location.assign(pageLink(path, field.value));
  });
  const chooser = element('channel-chooser', HTMLDetailsElement);
  chooser.addEventListener('toggle', () => {
    if (!chooser.open) return;
    field.value = channel;
    field.select();
  });
  chooser.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    chooser.open = false;
    chooser.querySelector('summary')?.focus();
  });
  document.addEventListener('pointerdown', (event) => {
    if (event.target instanceof Node && !chooser.contains(event.target)) chooser.open = false;
  });
}

function loadRecent(): readonly string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '[]');
    return Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];
  } catch {
    // A browser may refuse storage: then only this channel is known.
    return [];
  }
}

function saveRecent(names: readonly string[]): void {
  try {
    localStorage.setItem(storageKey, JSON.stringify(names));
  } catch {
    // A browser may refuse storage.
  }
}
