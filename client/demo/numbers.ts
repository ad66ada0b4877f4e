import type { Barrage } from '../barrage.ts';
import { element } from './element.ts';
import type { Tally } from './statistics.ts';

const refreshMs = 500;
const askMs = 3000;
const whole = new Intl.NumberFormat('en');

/** Numbers of comments on the screen, and of those that wait for the player. */
interface Shown {
  readonly flying: () => number;
  readonly held: () => number;
}

/** The panel of figures: this page's publications, and the gateway's figures of the channel. */
export class Numbers {
  readonly #tally: Tally;
  readonly #shown: Shown;
  #online: number | undefined;
  #pingMs: number | undefined;

  constructor(tally: Tally, shown: Shown) {
    this.#tally = tally;
    this.#shown = shown;
    setInterval(() => {
      if (!document.hidden) this.#refresh();
    }, refreshMs);
  }

  /**
   * Asks the gateway every few seconds for the channel's members and for a pong, while the page is connected and
   * visible.
   */
  ask(barrage: Barrage, channel: string): void {
    const askNow = async (): Promise<void> => {
      if (barrage.state !== 'open' || document.hidden) return;
      try {
        const [{ members }, pingMs] = await Promise.all([barrage.counts(channel), barrage.ping()]);
        this.#online = members;
        this.#pingMs = pingMs;
      } catch {
        // The state of the connection tells the viewer. An unknown figure is a dash.
        this.forget();
      }
    };
    setInterval(() => void askNow(), askMs);
    barrage.on('state', () => {
      if (barrage.state === 'open') setTimeout(() => void askNow(), 300);
      else this.forget();
    });
  }

  forget(): void {
    this.#online = undefined;
    this.#pingMs = undefined;
  }

  #refresh(): void {
    const now = performance.now();
    const tally = this.#tally;
    const perSecond = tally.received.perSecond(now);
    const size = tally.batchSizes.mean();
    const quiet = perSecond === 0;
    if (quiet) tally.agesMs.clear();
    write('online', this.#online === undefined ? '–' : whole.format(this.#online));
    write('rate', perSecond >= 10 || quiet ? whole.format(Math.round(perSecond)) : perSecond.toFixed(1));
    write('ping', milliseconds(this.#pingMs));
    write('age', milliseconds(tally.agesMs.median()));
    write('batch', size === undefined ? '–' : size.toFixed(1));
    write('merged', quiet ? '–' : `${Math.round(Math.max(0, tally.mergedShare(now)) * 100)} %`);
    write('left-out', whole.format(tally.leftOut));
    write('gaps', whole.format(tally.gaps));
    write('not-shown', whole.format(tally.notShown));
    write('flying', whole.format(this.#shown.flying()));
    const held = this.#shown.held();
    write('held', held === 0 ? '' : `${whole.format(held)} held back, `);
    write('received', whole.format(tally.publications));
  }
}

function write(name: string, text: string): void {
  const target = element(`number-${name}`, HTMLElement);
  if (target.textContent !== text) target.textContent = text;
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value < 0) return '0 ms';
  return value < 9950 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`;
}
