import type { CommentDraft, Publishing } from './publishing.ts';

/** Duration of the sample, in milliseconds. */
const sampleMs = 7000;

type Sample = CommentDraft | { readonly gift: string; readonly from: string } | { readonly likes: number };

const white = '#ffffff';
const plain = (text: string, color: string = white, size: number = 25): Sample => ({ text, mode: 'scroll', size, color });

const samples: readonly Sample[] = [
  { text: '欢迎来到 Barrage 弹幕', mode: 'top', size: 36, color: '#ffff00' },
  plain('first!'),
  plain('second. I blame my cat'),
  plain('前方高能!!', '#ff0000', 36),
  plain('is the picture frozen or is he just very calm?'),
  plain('he blinked, we are live', '#00ff00'),
  { likes: 12 },
  plain('哈哈哈哈哈哈', '#00ffff'),
  plain('mi abuela también está mirando'),
  plain('grandmas to the front row', '#ffff00'),
  plain('おばあちゃん、こんばんは!', '#ff00ff'),
  plain('这个舞台太美了'),
  { text: '逆行的弹幕 ← sorry, wrong way', mode: 'reverse', size: 25, color: '#00ff00' },
  plain('弹幕护体', '#ff00ff'),
  plain('who taught the drummer to use eight arms?', white, 18),
  plain('엄마, 나 화면에 나왔어!'),
  { gift: '🚀', from: '小林' },
  plain('that rocket cost me my lunch', white, 18),
  plain('it was a very good rocket', '#00ffff', 18),
  { likes: 30 },
  { text: '— please clap —', mode: 'bottom', size: 25, color: white },
  plain('clap clap clap', '#ffff00', 36),
  plain('CLAP CLAP CLAP CLAP', '#ffff00', 45),
  plain('第一次看现场,已经不想回家'),
  plain('louder!!', '#ff0000', 36),
  plain('my neighbours say: quieter'),
  plain('泪目', '#00ffff'),
  plain('je ne pleure pas, c’est le brouillard'),
  plain('same fog here in São Paulo', white, 18),
  { text: '全体起立', mode: 'top', size: 45, color: '#ff0000' },
  plain('I was already standing. Small flat'),
  { gift: '🌹', from: 'Ada' },
  plain('one more song'),
  plain('one more song (from the kitchen)', '#C0C0C0', 18),
  { text: 'merged, ordered, counted · 一条都不少', mode: 'bottom', size: 18, color: '#00ffff' },
  plain('see you all next year!', '#ff00ff'),
  { likes: 58 },
  plain('晚安,世界', '#ffff00', 36),
];

/** Samples are nobody's own: no page marks them. */
const sender = 'samples';

/**
 * Publishes some comments, gifts and likes over a few seconds. Ends at the first refusal, and rejects with its error.
 */
export async function publishSamples(publishing: Publishing): Promise<void> {
  const pauseMs = sampleMs / samples.length;
  for (const sample of samples) {
    if ('likes' in sample) await publishing.like(sample.likes);
    else if ('gift' in sample) await publishing.gift(sample.gift, sample.from, sender);
    else await publishing.comment(sample, sender);
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.4 + Math.random() * 1.2)));
  }
}
