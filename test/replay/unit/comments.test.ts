import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseComments, payloadOf } from '../../../client/replay/comments.ts';

function parse(xml: string): ReturnType<typeof parseComments> {
  return parseComments(Buffer.from(xml));
}

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
    leftOut: { positioned: 0, unknownMode: 0, empty: 0 },
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

test.each([
  ['', 1, 1, 'document must contain a root element'],
  ['<i></i>', 1, 1, 'no comment in it'],
  ['<i>\n<d p="1,1,25,0">a</d>\n</j>', 3, 5, 'unexpected close tag'],
  ['<i>\n<d p="1,1,25,0">a</d>', 2, 22, 'unclosed tag: i'],
  ['<i><d p="1,1,25,0">a & b</d></i>', 1, 22, '&amp;'],
  ['<i><d p="1,1,25,0">&bomb;</d></i>', 1, 26, 'undefined entity'],
  ['<i><d p=1>a</d></i>', 1, 10, 'unquoted attribute value'],
  ['<i>\n <d>a</d></i>', 2, 5, 'without the attribute p'],
  ['<i><d p="x,1,25,0">a</d></i>', 1, 25, 'time is "x"'],
  ['<i><d p="-1,1,25,0">a</d></i>', 1, 26, 'time is "-1"'],
  ['<i><d p="1e9,1,25,0">a</d></i>', 1, 27, 'time is "1e9"'],
  ['<i><d p="1,1,25,0">a<b/></d></i>', 1, 25, 'inside of a comment'],
  ['<i><d p="1,\u0008">a</d></i>', 1, 13, 'disallowed character'],
])('%j is refused with line, column and reason', (xml, line, column, reason) => {
  expect(parse(xml)).toEqual({ kind: 'fault', line, column, reason: expect.stringContaining(reason) });
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
