import type { CommentDraft, Publishing } from './publishing.ts';

/** Duration of the sample, in milliseconds. */
const sampleMs = 7000;

type Sample = CommentDraft | { readonly gift: string; readonly from: string } | { readonly likes: number };

const white = '#ffffff';
const plain = (text: string, color: string = white, size: number = 25): Sample => ({ text, mode: 'scroll', size, color });

const samples: readonly Sample[] = [
  { text: '欢迎来到 Barrage 弹幕', mode: 'top', size: 36, color: '#ffff00' },
  plain('first!'),
  plain('前方高能!!', '#ff0000', 36),
  plain('those lights'),
  plain('来了来了'),
  { likes: 12 },
  plain('哈哈哈哈哈哈', '#00ffff'),
  plain('encore! encore!', '#ffff00'),
  plain('这个舞台太美了'),
  plain('hello from Lisbon'),
  { text: '逆行的弹幕 ← going the other way', mode: 'reverse', size: 25, color: '#00ff00' },
  plain('弹幕护体', '#ff00ff'),
  plain('who is on drums tonight?', white, 18),
  plain('打卡 打卡'),
  { gift: '🚀', from: '小林' },
  plain('goosebumps'),
  plain('音响效果绝了', '#00ff00'),
  { likes: 30 },
  { text: '— subtitles by the crowd —', mode: 'bottom', size: 25, color: white },
  plain('666666', '#ffff00', 45),
  plain('第一次看现场'),
  plain('louder!!', '#ff0000', 36),
  plain('泪目', '#00ffff'),
  plain('I was there'),
  plain('这里的贝斯线太好听了', white, 18),
  { text: '全体起立', mode: 'top', size: 45, color: '#ff0000' },
  plain('one more song'),
  { gift: '🌹', from: 'Ada' },
  plain('again again again', '#C0C0C0', 18),
  plain('下一首是什么?'),
  { text: '高清弹幕 · merged, ordered, counted', mode: 'bottom', size: 18, color: '#00ffff' },
  plain('see you all next year!', '#ff00ff'),
  { likes: 58 },
  plain('晚安,世界', '#ffff00', 36),
];

/**
 * Publishes some comments, gifts and likes over a few seconds. Ends at the first refusal, and rejects with its error.
 */
export async function publishSamples(publishing: Publishing): Promise<void> {
  const pauseMs = sampleMs / samples.length;
  for (const sample of samples) {
    if ('likes' in sample) await publishing.like(sample.likes);
    else if ('gift' in sample) await publishing.gift(sample.gift, sample.from);
    else await publishing.comment(sample);
    await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.4 + Math.random() * 1.2)));
  }
}
