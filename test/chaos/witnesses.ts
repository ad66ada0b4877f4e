import { readExposition } from '../support/exposition.ts';
import type { Program } from './program.ts';
import type { Fault, Item, KeptHistory } from './record.ts';

interface HistoryAnswer {
  readonly r?: {
    readonly epoch: string;
    readonly publications: readonly { readonly offset: number; readonly d?: string; readonly t?: 'binary'; readonly recall?: object }[];
  };
}

/** The newest publications that a channel keeps, by the word of a publisher. */
export async function historyOf(channel: string, publisherPort: number): Promise<KeptHistory> {
  const response = await fetch(`http://127.0.0.1:${publisherPort}/v1/channels/${encodeURIComponent(channel)}/history?limit=1000`);
  const { r: result } = (await response.json()) as HistoryAnswer;
  if (result === undefined) throw new Error(`the history of ${channel} can't be read: ${response.status}`);
  const items = result.publications.flatMap(({ offset, d, t }): readonly Item[] => {
    if (d === undefined) return [];
    const text = t === 'binary' ? Buffer.from(d, 'base64').toString() : d;
    return [[offset, Number.parseInt(text, 10)]];
  });
  const recalls = result.publications.filter(({ recall }) => recall !== undefined).map(({ offset }) => offset);
  return { channel, epoch: result.epoch, items, recalls };
}

/** Rooms whose windows are stretched because the gateway has less CPU than it needs. */
export async function stretchedRooms(gateway: Program): Promise<number> {
  const answer = await gateway.ask('/metrics');
  return Number(/^barrage_gateway_rooms_stretched (\d+)$/m.exec(answer?.text ?? '')?.[1] ?? 0);
}

/** In each gateway, what was offered to members is what was sent, what was dropped, and what waits. */
export async function equationFaults(gateways: readonly Program[]): Promise<readonly Fault[]> {
  const each = await Promise.all(
    gateways.map(async (gateway): Promise<readonly Fault[]> => {
      const answer = await gateway.ask('/metrics');
      if (answer?.status !== 200) return [];
      const { samples } = readExposition(answer.text);
      const sum = (name: string): number =>
        samples.reduce((total, { name: own, value }) => (own === `barrage_gateway_publications_${name}` ? total + value : total), 0);
      const [offered, delivered, dropped, pending] = [sum('offered_total'), sum('delivered_total'), sum('dropped_total'), sum('pending')];
      if (offered === delivered + dropped + pending) return [];
      const words = `port ${gateway.port}: ${offered} offered, but ${delivered} delivered, ${dropped} dropped, ${pending} pending`;
      return [{ kind: 'equation', channel: '', viewer: '', words }];
    }),
  );
  return each.flat();
}
