import type { Barrage } from '../barrage.ts';

const words = { connecting: 'Connecting…', open: 'Live', waiting: 'Reconnecting…', paused: 'Paused', closed: 'Disconnected' } as const;
/** What is added where the connection is no WebSocket. */
const ways = { websocket: '', sse: ' · event stream', pull: ' · polling' } as const;

/** Shows the state of the connection on a badge, with its transport, and with the seconds since it was lost. */
export function showStatus(barrage: Barrage, badge: HTMLElement, pausedWord: () => string | undefined): () => void {
  let since = performance.now();
  let shown = '';
  const refresh = (): void => {
    const { state } = barrage;
    if (state !== shown) {
      if (state === 'open' || shown === 'open' || shown === '') since = performance.now();
      shown = state;
    }
    const seconds = Math.floor((performance.now() - since) / 1000);
    const paused = state === 'open' ? pausedWord() : undefined;
    const isAway = state === 'waiting' || (state === 'connecting' && seconds > 1);
    const { transport } = barrage;
    const text = paused ?? (isAway ? `${words.waiting} ${seconds} s` : `${words[state]}${transport === undefined ? '' : ways[transport]}`);
    badge.title = transport === undefined ? '' : `Transport: ${transport}`;
    badge.dataset['state'] = paused === undefined ? state : 'paused';
    if (badge.textContent !== text) badge.textContent = text;
  };
  barrage.on('state', refresh);
  barrage.on('transport', refresh);
  setInterval(refresh, 500);
  refresh();
  return refresh;
}
