/**
 * Names of members that only the client's own code uses, in the order in which short names are given out. The two files
 * for browsers have a short name in place of each, the same in both. A name may stand here that is no one else's: in no
 * message, no declaration of the package and no interface of the platform, and in no quotes
 * (`test/client/unit/internal-names.test.ts`). A member that is missing here keeps its name, which costs a few bytes.
 */
export const internalNames: readonly string[] = `
  cancelTimer tombstones surroundings moving settle isEquipped failures emit dialled onError loadAuthentication
  forgetRetries waitingMax received sendInOrder onEnd dial deliverAfter onTransport forget opened tried equip deliver
  endMove settled onMessage onReached doubt joined leave continued readsFrom onArrival sent stops joinAll onHello
  onReady isOpen onMade carry onAsk arrivedAt targetAt onFirst onEarly onTaken fromNew fromOld retire giveUp hinted
  moved skip stay tell
`
  .trim()
  .split(/\s+/);

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The short name of each of them: a letter, and then `$` with a letter. Nothing else in the client is named so. */
export const shortNames: Readonly<Record<string, string>> = Object.fromEntries(
  internalNames.map((name, index) => [name, letters.charAt(index) || `$${letters.charAt(index - letters.length)}`]),
);
