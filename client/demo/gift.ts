/** The gifts that the emitter offers, with a picture of ours each: not every system has a font for them. */
const knownGifts = new Map([
  ['🌹', { picture: 'rose', words: 'a rose' }],
  ['🎉', { picture: 'party', words: 'a party' }],
  ['🏆', { picture: 'trophy', words: 'a trophy' }],
  ['🚀', { picture: 'rocket', words: 'a rocket' }],
]);

/** What was given, for a sentence; a gift that is not known is the text that it is. */
export function giftInWords(gift: string): string {
  return knownGifts.get(gift)?.words ?? gift;
}

/** What was given, to look at. */
export function giftPicture(gift: string): Node {
  const known = knownGifts.get(gift);
  if (known === undefined) return document.createTextNode(gift);
  const image = new Image(46, 46);
  image.src = `/assets/gift-${known.picture}.svg`;
  image.alt = gift;
  return image;
}
