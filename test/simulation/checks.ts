import { expect } from 'vitest';
import type { Viewer } from './viewer.ts';
import type { World } from './world.ts';

/** What must be true of every world at its end. */
export function checkEveryoneIsAtTheEnd(world: World): void {
  for (const { isGone, ledger, subscription } of world.viewers) {
    ledger.throwFault();
    if (isGone) continue;
    const end = { epoch: world.log.epoch, offset: world.log.offset };
    expect(subscription.arrived).toEqual(end);
    expect(ledger.told).toEqual(end);
    expect(subscription.held).toBe(0);
    expect(ledger.isBroken).toBe(false);
  }
  for (const { isGone, ledger } of world.pages) {
    ledger.throwFault();
    if (!isGone) expect(ledger.told).toEqual({ epoch: world.log.epoch, offset: world.log.offset });
  }
}

export function checkAccounts(world: World): void {
  for (const { offered, settled, pending } of world.accounts()) {
    expect(pending).toBe(0);
    expect(settled).toBe(offered);
  }
}

export function checkNothingIsMissing(world: World): void {
  for (const { ledger } of [...world.viewers, ...world.pages]) expect(ledger.gaps).toEqual([]);
}

/** Sums are true, but where some were left out on purpose. */
export function checkSums(world: World): void {
  if (world.sampled > 0) return;
  for (const { ledger } of [...world.viewers, ...world.pages]) expect(ledger.wrongSums).toEqual([]);
}

/** Each publication since the viewer's beginning was given, or left out on purpose. Only where there was no gap. */
export function checkEverythingIsAccountedFor(world: World): void {
  for (const viewer of world.viewers) if (!viewer.isGone) expect(accountedFor(viewer)).toBe(sinceBeginning(world, viewer));
}

export function checkNothingIsLeftOut(world: World): void {
  for (const viewer of world.viewers) if (!viewer.isGone) expect(viewer.ledger.delivered).toBe(sinceBeginning(world, viewer));
}

/** Everybody is at the end, and has had or been told of each publication since it joined: there was no gap. */
export function checkNobodyNoticed(world: World): void {
  checkEveryoneIsAtTheEnd(world);
  checkNothingIsMissing(world);
  checkAccounts(world);
  checkSums(world);
  checkEverythingIsAccountedFor(world);
}

function accountedFor({ ledger }: Viewer): number {
  return ledger.delivered + ledger.leftOut + ledger.recalls;
}

function sinceBeginning(world: World, { ledger }: Viewer): number {
  return world.log.offset - (ledger.joinedAt?.offset ?? 0);
}
