import { Barrage, type BarrageState } from '@barrage-live/client';
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { ChannelStore, type ChannelView } from './channel-store.ts';

/**
 * A client for as long as the component is mounted; `undefined` in the first render. One for the whole app is enough.
 * StrictMode mounts twice in development: the first client is closed before it has connected.
 */
export function useBarrage(url: string): Barrage | undefined {
  const [barrage, setBarrage] = useState<Barrage>();
  useEffect(() => {
    const made = new Barrage(url);
    setBarrage(made);
    return () => made.close();
  }, [url]);
  return barrage;
}

export function useConnectionState(barrage: Barrage | undefined): BarrageState {
  const subscribe = useCallback((listener: () => void) => barrage?.on('state', listener) ?? (() => {}), [barrage]);
  return useSyncExternalStore(subscribe, () => barrage?.state ?? 'connecting');
}

/** The newest publications of a channel. Components that ask for the same channel share one subscription. */
export function useChannel(barrage: Barrage | undefined, channel: string): ChannelView {
  const store = storeOf(barrage, channel);
  return useSyncExternalStore(store.subscribe, store.getView);
}

const stores = new WeakMap<Barrage, Map<string, ChannelStore>>();
const idle = new ChannelStore(undefined, '');

function storeOf(barrage: Barrage | undefined, channel: string): ChannelStore {
  if (barrage === undefined) return idle;
  const byChannel = stores.get(barrage) ?? new Map<string, ChannelStore>();
  stores.set(barrage, byChannel);
  const store = byChannel.get(channel) ?? new ChannelStore(barrage, channel);
  byChannel.set(channel, store);
  return store;
}
