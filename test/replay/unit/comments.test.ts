import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseComments, payloadOf } from '../../../client/replay/comments.ts';

function parse(xml: string): ReturnType<typeof parseComments> {
  return parseComments(Buffer.from(xml));
}

const nothing = { positioned: 0, unknownMode: 0, empty: 0, untimed: 0, broken: 0 };
const head = '<?xml version="1.0" encoding="UTF-8"?>\n<i>\n  <chatid>1</chatid>\n';

test('comments come in the order of their time, with their mode, size and colour', () => {
  const parsed = parse(`${head}
    <d p="7.5,1,25,16777215,1480410348,0,e6d2b8ad,1">last</d>
    <d p="0.25,4,18,255,1480410348,0,e6d2b8ad,2">bottom &lt;b&gt; &amp; &#x5f39;</d>
    <d p="0.25,5,36,16711680,1480410348,0,e6d2b8ad,3"><![CDATA[top]]></d>
    <d p="1,6,25,65280,1480410348,0,e6d2b8ad,4">reverse</d>
  </i>`);
  expect(parsed).toEqual({
    kind: 'comments',
    comments: [
      { atSeconds: 0.25, text: 'bottom <b> & 弹', mode: 'bottom', size: 18, color: '#0000ff' },
      { atSeconds: 0.25, text: 'top', mode: 'top', size: 36, color: '#ff0000' },
      { atSeconds: 1, text: 'reverse', mode: 'reverse', size: 25, color: '#00ff00' },
      { atSeconds: 7.5, text: 'last', mode: 'scroll', size: 25, color: '#ffffff' },
    ],
    leftOut: nothing,
    colourless: 0,
    controls: 0,
  });
});

test('comments with a position or code of their own, of an unknown mode, or without text are left out and counted', () => {
  const modes = ['1', '2', '3', '7', '8', '9', '10', 'x', ''];
  const parsed = parse(`<i>${modes.map((mode) => `<d p="1,${mode},25,0">a</d>`).join('')}<d p="1,1,25,0"> </d></i>`);
  expect(parsed).toMatchObject({ leftOut: { positioned: 3, unknownMode: 3, empty: 1 } });
  expect(parsed.kind === 'comments' && parsed.comments.length).toBe(3);
});

test('what real files hold is no fault: colours that are none, odd sizes, control characters in a text', () => {
  const parsed = parse('<i><d p="1,1,25,undefined">a\u0008b\u001d</d><d p="1,1,0,16777216">c</d><d p="1,1,999,1">d</d></i>');
  expect(parsed).toMatchObject({
    comments: [
      { text: 'a b', color: '#ffffff' },
      { size: 25, color: '#ffffff' },
      { size: 200, color: '#000001' },
    ],
    colourless: 2,
    controls: 2,
  });
});

/** The texts that are played, and what is left out besides; or the fault. */
function played(file: string | Uint8Array): unknown {
  const parsed = typeof file === 'string' ? parse(file) : parseComments(file);
  if (parsed.kind === 'fault') return parsed.reason;
  const counts = Object.entries(parsed.leftOut).filter(([, count]) => count > 0);
  return [parsed.comments.map(({ text }) => text), Object.fromEntries(counts)];
}

const at = (text: string, p = '5,1,25,16777215,1700000000,0,abcdef01,1', more = ''): string => `<d p="${p}"${more}>${text}</d>`;
const first = at('first', '1,1,25,0');
const bytesOf = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

test.each<[what: string, file: string | Uint8Array, texts: readonly string[], leftOut: Partial<typeof nothing>]>([
  ['no closing tag: the recorder died', `${head}${first}`, ['first'], {}],
  ['cut off within a tag', `${head}${first}<d p="3.1,1,25,16`, ['first'], { broken: 1 }],
  ['cut off within a text', `${head}${first}${at('x').slice(0, -4)}`, ['first'], { broken: 1 }],
  ['cut off within a character', bytesOf(`${head}${first}<d p="3,1,25,0">`, [0xe5, 0xbc]), ['first'], { broken: 1 }],
  ['a closing tag is missing between two', `<i><d p="0,1,25,0">lost${first}</i>`, ['first'], { broken: 1 }],
  ['another closing tag at the end', `<i>${first}</j>`, ['first'], {}],
  [
    'a control character in an attribute',
    `<i>${first}${at('x', undefined, ' user="a" raw="[&quot;\bfoo&quot;]"')}</i>`,
    ['first', 'x'],
    {},
  ],
  ['an attribute with < and > in it', `<i>${at('x', undefined, ' raw="[<a>]"')}</i>`, ['x'], {}],
  ['a control character as a reference', `<i>${at('x&#8;y&#x1d;')}</i>`, ['x y'], {}],
  ['a bare &', `<i>${at('… & …')}${at('a&b;c &amp;lt; &')}</i>`, ['… & …', 'a&b;c &lt; &'], {}],
  ['a word between < and >', `<i>${at('<hello>')}${at('<3 </ d> <d>')}</i>`, ['<hello>', '<3 </ d> <d>'], {}],
  ['a bare <', `<i>${at('a<b')}${first}</i>`, ['first', 'a<b'], {}],
  ['an element within a comment', `<i>${at('a<b/>')}</i>`, ['a<b/>'], {}],
  ['two files one behind the other', `${head}${first}</i>${head}${at('second')}</i>`, ['first', 'second'], {}],
  ['two root elements', `<conv><v>1</v></conv><i>${first}</i>`, ['first'], {}],
  ['comments of XML, with a comment in one of them', `<i><!-- ${at('old')} -->${first}</i><!-- end -->`, ['first'], {}],
  ['a comment of XML that never ends', `<i><!-- ${first}</i>`, ['first'], {}],
  ['CDATA', `<i>${at('<![CDATA[a<b & </d> &amp;]]> c')}</i>`, ['a<b & </d> &amp; c'], {}],
  ['entities of HTML', `<i>${at('a&nbsp;b&hearts;&bomb;')}</i>`, ['a\u00a0b♥&bomb;'], {}],
  [
    'an emoji as one reference, and as two surrogates',
    `<i>${at('&#128512;')}${at('&#55357;&#56832;')}${at('&#xD83D;&#xDE00;')}</i>`,
    ['😀', '😀', '😀'],
    {},
  ],
  ['half of an emoji', `<i>${at('a&#55357;b')}</i>`, ['a b'], {}],
  ['an element without content', `<i>${first}<d p="3,1,25,0"/><d p='4,1,25,0'></d></i>`, ['first'], { empty: 2 }],
  ['what recorders add', `<i><sc ts="2">paid</sc><gift ts="3"/><data>x</data>${first}</i>`, ['first'], {}],
  ['apostrophes, and no quotes at all', `<i><d p='5,1,25,0'>a</d><d user=x p=6,1,25,0>b</d></i>`, ['a', 'b'], {}],
  ['a quote is missing', `<i><d p="5,1,25,0>a</d>${first}</i>`, ['first'], { broken: 1 }],
  [
    'a time in exponent form, as CommentCoreLibrary has it',
    `<i>${at('tiny', '2.9999999242136E-5,1,25,0')}${at('big', '1.0e3,1,25,0')}</i>`,
    ['tiny', 'big'],
    {},
  ],
  [
    'times with spaces, signs, and nothing on one side of the point',
    `<i>${at('a', ' .5 , 1 , 25 , 0')}${at('b', '5.,1,25,0')}${at('c', '+6,1,25,0')}</i>`,
    ['a', 'b', 'c'],
    {},
  ],
  ['a time before the beginning', `<i>${at('early', '-0.5,1,25,0')}${at('next', '0.1,1,25,0')}</i>`, ['early', 'next'], {}],
  [
    'no time, or none that can be read',
    `<i><d>a</d><d user="x">b</d>${['x', '', 'NaN', 'Infinity', '1e999', '0x10', '1:30'].map((time) => at('c', `${time},1,25,0`)).join('')}${first}</i>`,
    ['first'],
    { untimed: 9 },
  ],
  [
    'form 2: an id first, and milliseconds',
    `<i>${at('a', '34656419668557827,0,1486,1,25,16777215,1593244049,0,abcdef01')}${at('b', '378256,0,1400,1,25,16777215,1504375326,0,abcdef01')}</i>`,
    ['b', 'a'],
    {},
  ],
  ['UTF-8 that says that it is GB2312', `<?xml version="1.0" encoding="gb2312"?><i>${at('弹')}</i>`, ['弹'], {}],
  [
    'GBK that says so',
    bytesOf('<?xml version="1.0" encoding="GBK"?><i><d p="1,1,25,1">', [0xb5, 0xaf, 0xc4, 0xbb], '</d></i>'),
    ['弹幕'],
    {},
  ],
  ['a byte order mark', `\ufeff${head}${first}</i>`, ['first'], {}],
  ['UTF-16', Buffer.from(`\ufeff<?xml version="1.0" encoding="UTF-16"?><i>${at('弹')}</i>`, 'utf16le'), ['弹'], {}],
  ['CESU-8, of Java', bytesOf('<i><d p="1,1,25,1">', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], '</d></i>'), ['😀'], {}],
])('what players play is played, what is left out is counted: %s', (_, file, texts, leftOut) => {
  expect(played(file)).toEqual([texts, leftOut]);
});

test('a time in exponent form is that time, one in milliseconds is in seconds, and a colour without a size before it is one', () => {
  const parsed = parse(
    `<i>${at('a', '2.9999999242136E-5,1,25,0')}${at('b', '34656419668557827,0,1486,5,18,255,1593244049,0,a')}${at('c', '2.5,1,255,[source]')}</i>`,
  );
  expect(parsed).toMatchObject({
    comments: [
      { text: 'a', atSeconds: 2.999_999_924_213_6e-5 },
      { text: 'b', atSeconds: 1.486, mode: 'top', size: 18, color: '#0000ff' },
      { text: 'c', atSeconds: 2.5, size: 25, color: '#0000ff' },
    ],
    colourless: 0,
  });
});

test('what is not a file of comments is told apart', () => {
  const gzip = [0x1f, 0x8b, 0x08, 0x00, 0xff];
  for (const [file, reason] of [
    ['', 'the file is empty'],
    [' \n', 'the file is empty'],
    ['{"code":0,"data":[]}', 'this is no XML, but JSON'],
    ['[{"progress":1,"content":"<d p=\\"1\\">"}]', 'this is no XML, but JSON'],
    ['1,1,25,0,text\n', 'this is no XML'],
    [bytesOf(gzip), 'this is no XML'],
    ['<i></i>', 'no comment in it: there is no <d p="…"> element'],
    ['<html><body><div>404</div></body></html>', 'no comment in it: there is no <d p="…"> element'],
  ] as const)
    expect(played(file), String(file)).toBe(reason);
});

test('bytes that are not UTF-8 are refused where they stand', () => {
  const bytes = Buffer.concat([Buffer.from('<i>\n<d p="1,1,25,0">弹'), Buffer.from([0xff]), Buffer.from('</d></i>')]);
  expect(parseComments(bytes)).toEqual({ kind: 'fault', line: 2, column: 18, reason: 'not UTF-8' });
});

test('whatever bytes a file holds, reading it ends with comments or a fault that has a place', () => {
  const pieces = fc.constantFrom(
    '<i>',
    '</i>',
    '<d p="1,1,25,0">',
    '</d>',
    '<d ',
    'p="',
    '"',
    '&',
    '&lt;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '\u0000',
    '弹',
    '\n',
  );
  const check = (bytes: Uint8Array): void => {
    const parsed = parseComments(bytes);
    if (parsed.kind !== 'fault') return;
    expect(parsed.line).toBeGreaterThanOrEqual(1);
    expect(parsed.column).toBeGreaterThanOrEqual(1);
    expect(parsed.reason).not.toBe('');
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check));
  fc.assert(fc.property(fc.array(pieces, { maxLength: 30 }), (all) => check(Buffer.from(all.join('')))));
});

test('every text comes back as it was, whatever it is made of', () => {
  const xmlText = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.trim() !== '' && !/[\p{Cc}\ufffe\uffff]/u.test(text));
  fc.assert(
    fc.property(fc.array(xmlText, { minLength: 1, maxLength: 10 }), (texts) => {
      const escaped = texts.map((text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'));
      const parsed = parse(`<i>${escaped.map((text, index) => `<d p="${index},1,25,0,0,0,a,1">${text}</d>`).join('')}</i>`);
      expect(parsed.kind === 'comments' && parsed.comments.map(({ text }) => text)).toEqual(texts.map((text) => text.trim()));
    }),
  );
});

test('the payload is the text, mode, size and colour as JSON', () => {
  const payload = payloadOf({ atSeconds: 3, text: '<b>"', mode: 'top', size: 25, color: '#ffffff' });
  expect(payload).toBe('{"text":"<b>\\"","mode":"top","size":25,"color":"#ffffff"}');
});
