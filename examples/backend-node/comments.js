/** The rules of comments. Put your own here. */
export const lengthMax = 200;
const badWords = ['spamword', '脏话'];
const burst = 5;
const perSecond = 1;

/** Why a comment is refused; `undefined` for a good one. */
export function faultOf(text) {
  if (typeof text !== 'string' || text.trim() === '') return 'write something';
  if (Array.from(text).length > lengthMax) return `at most ${lengthMax} characters`;
  // "ＳＰＡＭＷＯＲＤ" and "SpamWord" are the same word.
  const plain = text.normalize('NFKC').toLowerCase();
  return badWords.some((word) => plain.includes(word)) ? 'mind your words' : undefined;
}

/** One second's worth is taken back each second; a user who wrote nothing for a while is forgotten. */
const spent = new Map();

/** Whether this user may write now. */
export function mayWrite(user, nowMs = Date.now()) {
  if (spent.size > 10_000)
    for (const [name, { level, at }] of spent) if (level - ((nowMs - at) / 1000) * perSecond <= 0) spent.delete(name);
  const { level = 0, at = nowMs } = spent.get(user) ?? {};
  const now = Math.max(0, level - ((nowMs - at) / 1000) * perSecond);
  if (now + 1 > burst) return false;
  spent.set(user, { level: now + 1, at: nowMs });
  return true;
}
