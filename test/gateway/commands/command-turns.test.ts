import { expect, test } from 'vitest';
import { limits } from '../../../core/limits.ts';
import { CommandTurns } from '../../../gateway/commands/command-turns.ts';
import { settle } from '../../support/fake-clock.ts';

/** Many clients that each have a command, which takes its time. */
class Crowd {
  time = 0;
  /** What is due in the next turn of the loop. */
  due: (() => void)[] = [];
  readonly clock = { monotonic: () => this.time, soon: (callback: () => void) => this.#soon(callback) };
  readonly metrics = { commandTurns: { waiting: 0 } };
  /** Commands carried out in each turn of the loop, in their order. */
  readonly turns: number[][] = [[]];
  readonly #turns = new CommandTurns({ clock: this.clock, metrics: this.metrics });

  /** All speak in one turn of the loop. */
  speak(count: number, commandMs: number): void {
    for (let client = 0; client < count; client++) void this.#speak(client, commandMs);
  }

  async #speak(client: number, commandMs: number): Promise<void> {
    const turn = this.#turns.next();
    if (turn !== undefined) await turn;
    this.turns.at(-1)?.push(client);
    this.time += commandMs;
  }

  /** What else the loop has to do comes between two turns. */
  async nextTurn(): Promise<void> {
    this.turns.push([]);
    for (const callback of this.due.splice(0)) callback();
    await settle();
  }

  #soon(callback: () => void): () => void {
    this.due.push(callback);
    return () => {};
  }
}

test('a few commands begin at once', () => {
  const crowd = new Crowd();
  crowd.speak(3, 1);
  expect(crowd.turns).toEqual([[0, 1, 2]]);
  expect(crowd.metrics.commandTurns.waiting).toBe(0);
});

test('a thousand at once are carried out in their order, over many turns, none of which takes longer than it may', async () => {
  const crowd = new Crowd();
  crowd.speak(1_000, 0.5);
  const perTurn = limits.turnMsMax / 4 / 0.5;
  expect(crowd.turns).toEqual([Array.from({ length: perTurn }, (_, client) => client)]);
  expect(crowd.metrics.commandTurns.waiting).toBe(1_000 - perTurn);
  while (crowd.metrics.commandTurns.waiting > 0) await crowd.nextTurn();
  expect(crowd.turns.flat()).toEqual(Array.from({ length: 1_000 }, (_, client) => client));
  expect(crowd.turns.length).toBe(1_000 / perTurn);
  expect(Math.max(...crowd.turns.map((turn) => turn.length))).toBe(perTurn);
  // A quiet loop has none of it left.
  await crowd.nextTurn();
  expect(crowd.due).toEqual([]);
});

test('who comes while others wait goes behind them', async () => {
  const crowd = new Crowd();
  crowd.speak(2, limits.turnMsMax);
  crowd.speak(1, 0);
  expect(crowd.turns).toEqual([[0]]);
  await crowd.nextTurn();
  await crowd.nextTurn();
  expect(crowd.turns.flat()).toEqual([0, 1, 0]);
});
