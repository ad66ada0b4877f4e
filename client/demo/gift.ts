/** The gifts of the emitter, each with a picture of this page: not every system has a font for them. */
const knownGifts = new Map([
  ['🌹', { picture: 'rose', words: 'a rose' }],
  ['🎉', { picture: 'party', words: 'a party' }],
  ['🏆', { picture: 'trophy', words: 'a trophy' }],
  ['🚀', { picture: 'rocket', words: 'a rocket' }],
]);

/** The name of a gift, for a sentence. An unknown gift's name is its own text. */
export function giftInWords(gift: string): string {
  return knownGifts.get(gift)?.words ?? gift;
}

/** The picture of a gift. */
export function giftPicture(gift: string): Node {
  const known = knownGifts.get(gift);
  if (known === undefined) return document.createTextNode(gift);
  const image = new Image(46, 46);
  image.src = `/assets/gift-${known.picture}.svg`;
  image.alt = gift;
  return image;
}
