import type { OwnBuses } from '../../../core/bus/bus-plan.ts';
import { JoinedBus } from '../../../core/bus/joined-bus.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import type { Listener } from '../world.ts';
import { StandInServer, type StandInBus } from './stand-in-server.ts';

export const joining = { publishTo: 'a', listenTo: ['a', 'b'] };
export const moving = { publishTo: 'b', listenTo: ['a', 'b'] };
export const leaving = { publishTo: 'b', listenTo: ['b'] };

/** A pool with a previous bus `a` and a main bus `b`, and processes that have both. */
export class Rig {
  readonly a: StandInServer;
  readonly b: StandInServer;
  readonly clock = new FakeClock();
  readonly #opened = new Map<JoinedBus, Map<string, StandInBus>>();

  /** @param options isTwin: both ids lead to the same server */
  constructor({ isTwin = false } = {}) {
    this.a = new StandInServer('eA');
    this.b = isTwin ? this.a : new StandInServer('eB');
  }

  process(name: string, own: OwnBuses = { main: 'b', previous: 'a' }): JoinedBus {
    const opened = new Map<string, StandInBus>();
    const open = (id: string): StandInBus => {
      const bus = (id === 'a' ? this.a : this.b).connect(name);
      opened.set(id, bus);
      return bus;
    };
    const joined = new JoinedBus({ own, open, clock: this.clock, random: () => 0.5 });
    this.#opened.set(joined, opened);
    return joined;
  }

  /** The connection of a process that it opened last. */
  connection(process: JoinedBus, id: string): StandInBus {
    const bus = this.#opened.get(process)?.get(id);
    if (bus === undefined) throw new Error(`${id} was never opened`);
    return bus;
  }
}

/** What a listener heard in short: texts, and `=epoch offset` for a position. */
export function story({ heard }: Listener): string {
  return heard.map((item) => (item.kind === 'publication' ? item.text : `=${item.position.epoch}${item.position.offset}`)).join(' ');
}
