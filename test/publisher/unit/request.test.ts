import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closeReasonBytesMax } from '../../../core/close-codes.ts';
import { limits } from '../../../core/limits.ts';
import { publisherBounds } from '../../../publisher/bounds.ts';
import { parseBody } from '../../../publisher/body.ts';
import { parseConnectionCall, parsePublish, parseSend, parseSocketRequest, withQuery } from '../../../publisher/request.ts';

function faultOf(parsed: { readonly kind: string; readonly message?: string }): string {
  expect(parsed.kind).toBe('fault');
  return parsed.message ?? '';
}

describe('mesh.publish', () => {
  test('CONNMIX’s own fields are enough, and say what the extensions are by default', () => {
    expect(parsePublish({ c: 'video:1', d: '你好' })).toEqual({
      kind: 'valid',
      value: {
        channel: 'video:1',
        kind: 'text',
        payload: Buffer.from('你好'),
        priority: 'normal',
        ttlMs: 0,
        conflation: undefined,
        idempotencyKey: undefined,
        waitMs: undefined,
      },
    });
  });

  test('channel and data alone, which are read by themselves, mean what they mean beside a default that is stated', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 300 }), fc.constant('\ud800'));
    fc.assert(
      fc.property(text, text, (c, d) => {
        expect(parsePublish({ c, d })).toEqual(parsePublish({ c, d, t: 'text' }));
      }),
    );
    expect(parsePublish({ c: 'video:1', d: '\ud800' }).kind).toBe('fault');
  });

  test('an unknown field is refused by its name, so that a misspelt extension is not lost', () => {
    expect(faultOf(parsePublish({ c: 'a', d: '', ttlms: 5 }))).toBe('unknown field "ttlms"');
    expect(faultOf(parsePublish(JSON.parse('{"c":"a","d":"","__proto__":1}')))).toBe('unknown field "__proto__"');
    expect(faultOf(parsePublish({ c: 'a', d: '', ['x'.repeat(100_000)]: 1 })).length).toBeLessThan(120);
  });

  test.each([
    [{}, 'c: is missing; d: is missing'],
    [{ c: 'a' }, 'd: is missing'],
    [{ c: 'a', d: { text: 'x' } }, 'd: must be a string'],
    [{ c: 'a', d: 5 }, 'd: must be a string'],
    [{ c: 'a', d: null }, 'd: must be a string'],
    [{ c: 7, d: '' }, 'c: must be a string'],
    [{ c: '', d: '' }, 'c: the channel name is empty'],
    [{ c: 'a b', d: '' }, 'c: a channel name has no spaces, no control characters and none of * @'],
    [{ c: 'a', d: '\ud800' }, 'd: is not well-formed Unicode (a lone surrogate)'],
    [{ c: 'a', d: '', conflateKey: 'like\ud83d' }, 'conflateKey: is not well-formed Unicode (a lone surrogate)'],
    [{ c: 'a\udfff', d: '' }, 'c: the channel name is not well-formed Unicode'],
    [{ c: 'a', d: '', t: 'blob' }, 't: must be "text" or "binary"'],
    [{ c: 'a', d: '', t: null }, 't: must be "text" or "binary"'],
    [{ c: 'a', d: '', priority: 'urgent' }, 'priority: must be one of high, normal, low'],
    [{ c: 'a', d: '', conflate: 'Sum' }, 'conflate: needs conflateKey'],
    [{ c: 'a', d: '', conflateKey: 'k', count: 2 }, 'count: needs conflate "Sum"'],
    [{ c: 'a', d: '', conflateKey: 'k', conflate: 'sum' }, 'conflate: must be "Latest" or "Sum"'],
    [{ c: 'a', d: '', waitMs: 5 }, 'waitMs: needs wait "delivered"'],
    [{ c: 'a', d: '', wait: 'forever' }, 'wait: must be "delivered", or be left out'],
    ['text', 'the parameters must be an object'],
    [undefined, 'the parameters must be an object'],
    [['a'], 'the parameters must be an object'],
  ])('%j is refused: %s', (fields, message) => {
    expect(faultOf(parsePublish(fields))).toBe(message);
  });

  test("a client's X@Y is no channel name, and the answer names the channel", () => {
    expect(faultOf(parsePublish({ c: '100001@video', d: '' }))).toContain('is channel video:100001');
  });

  const numbers = [
    ['ttlMs', 0, limits.ttlMsMax, {}],
    ['count', 1, limits.conflateCountMax, { conflateKey: 'k', conflate: 'Sum' }],
    ['waitMs', 1, publisherBounds.waitMsMax, { wait: 'delivered' }],
  ] as const;
  test.each(numbers)('%s is taken from %d to %d, and not one beyond', (field, minimum, maximum, others) => {
    const parse = (value: unknown) => parsePublish({ c: 'a', d: '', ...others, [field]: value });
    expect(parse(minimum).kind).toBe('valid');
    expect(parse(maximum).kind).toBe('valid');
    for (const value of [minimum - 1, maximum + 1, 1.5, '5', 2 ** 53, 1e308, null, Number.NaN])
      expect(faultOf(parse(value))).toBe(`${field}: must be an integer from ${minimum} to ${maximum}`);
  });

  test('names and keys are taken at their bound in bytes, and not one beyond', () => {
    const parse = (channel: string, key: string) => parsePublish({ c: channel, d: '', conflateKey: key }).kind;
    expect(parse('a'.repeat(limits.channelNameBytesMax), 'k')).toBe('valid');
    expect(parse('a'.repeat(limits.channelNameBytesMax + 1), 'k')).toBe('fault');
    expect(parse('好'.repeat(85), 'k')).toBe('fault');
    expect(parse('a', 'k'.repeat(limits.conflateKeyBytesMax))).toBe('valid');
    expect(parse('a', 'k'.repeat(limits.conflateKeyBytesMax + 1))).toBe('fault');
    expect(parse('a', '好'.repeat(43))).toBe('fault');
    expect(parse('a', '')).toBe('fault');
  });

  test.each(['a', 'YQ', 'YQ=', 'YQ==\n', ' YQ==', 'YR==', '-_8=', 'YQ==YQ==', '====', '好', 'Y Q='])(
    'binary that is not base64 is refused: %j',
    (data) => {
      expect(faultOf(parsePublish({ c: 'a', t: 'binary', d: data }))).toMatch(/^d: is not base64/);
      expect(faultOf(parseSend({ c: 5, t: 'binary', d: data }))).toMatch(/^d: is not base64/);
    },
  );

  test('whatever is valid comes back as it was written', () => {
    const conflation = fc.oneof(
      fc.constant({}),
      fc.record({ conflateKey: fc.string({ minLength: 1, maxLength: 30 }) }),
      fc.record({
        conflateKey: fc.string({ minLength: 1, maxLength: 30 }),
        conflate: fc.constant('Sum'),
        count: fc.integer({ min: 1, max: limits.conflateCountMax }),
      }),
    );
    const publications = fc.record({
      channel: fc.stringMatching(/^[a-z0-9:_-]{1,60}$/),
      bytes: fc.uint8Array({ maxLength: 200 }),
      text: fc.option(fc.string({ unit: 'grapheme', maxLength: 100 }), { nil: undefined }),
      priority: fc.constantFrom('high', 'normal', 'low'),
      ttlMs: fc.integer({ min: 0, max: limits.ttlMsMax }),
      conflation,
    });
    fc.assert(
      fc.property(publications, ({ channel, bytes, text, priority, ttlMs, conflation: fields }) => {
        const d = text ?? Buffer.from(bytes).toString('base64');
        const parsed = parsePublish(
          JSON.parse(JSON.stringify({ c: channel, d, t: text === undefined ? 'binary' : 'text', priority, ttlMs, ...fields })),
        );
        expect(parsed).toMatchObject({ kind: 'valid', value: { channel, priority, ttlMs, kind: text === undefined ? 'binary' : 'text' } });
        if (parsed.kind !== 'valid') return;
        expect(parsed.value.payload.equals(text === undefined ? bytes : Buffer.from(text))).toBe(true);
        expect(parsed.value.conflation).toEqual(
          'conflateKey' in fields ? { mode: 'Latest', count: 1, key: fields.conflateKey, ...countOf(fields) } : undefined,
        );
      }),
    );
  });

  function countOf(fields: object): object {
    return 'count' in fields ? { mode: 'Sum', count: fields.count } : {};
  }
});

describe('conn.call', () => {
  test.each([
    [
      { c: '5', f: 'subscribe', a: ['video:1', 'video:2'] },
      { kind: 'subscribe', channels: ['video:1', 'video:2'] },
    ],
    [
      { c: 5, f: 'unsubscribe', a: ['video:1'] },
      { kind: 'unsubscribe', channels: ['video:1'] },
    ],
    [
      { c: 5, f: 'set_context_value', a: ['user_id', 10_000] },
      { kind: 'set-context-value', key: 'user_id', value: 10_000 },
    ],
    [
      { c: 5, f: 'set_context_value', a: ['user_id', null] },
      { kind: 'set-context-value', key: 'user_id', value: null },
    ],
    [
      { c: 5, f: 'set_context', a: [{ user_id: 1.5, tags: ['a'] }] },
      { kind: 'set-context', context: { user_id: 1.5, tags: ['a'] } },
    ],
    [
      { c: 5, f: 'close', a: ['x'.repeat(closeReasonBytesMax)] },
      { kind: 'close', reason: 'x'.repeat(closeReasonBytesMax) },
    ],
    [
      { c: 5, f: 'close', a: [] },
      { kind: 'close', reason: 'not allowed' },
    ],
  ])('%j is understood', (fields, call) => {
    expect(parseConnectionCall(fields)).toEqual({ kind: 'valid', value: { client: fields.c, call } });
  });

  test.each([
    [{ f: 'subscribe', a: ['a'] }, /^c: is missing/],
    [{ c: {}, f: 'subscribe', a: ['a'] }, /^c: must be a client id/],
    [{ c: 5, a: ['a'] }, /^f: must be one of subscribe, unsubscribe, set_context_value, set_context, reconnect, close$/],
    [{ c: 5, f: 'kick', a: [] }, /^f: must be one of/],
    [{ c: 5, f: 'close', a: [''] }, /^a\.0: must be \[\] or \[reason\]/],
    [{ c: 5, f: 'close', a: ['x'.repeat(closeReasonBytesMax + 1)] }, /^a\.0: must be \[\] or \[reason\]/],
    [{ c: 5, f: 'close', a: ['a', 'b'] }, /^a: must be \[\] or \[reason\]/],
    [{ c: 5, f: 'subscribe' }, /^a: must be a list/],
    [{ c: 5, f: 'subscribe', a: [] }, /^a: names no channel/],
    [{ c: 5, f: 'subscribe', a: ['a', 'b c'] }, /^a\.1: a channel name has no spaces/],
    [{ c: 5, f: 'subscribe', a: ['a'], x: 1 }, /^unknown field "x"/],
    [{ c: 5, f: 'set_context_value', a: ['k'] }, /^a/],
    [{ c: 5, f: 'set_context_value', a: ['k', 1, 2] }, /^a/],
    [{ c: 5, f: 'set_context_value', a: ['', 1] }, /^a\.0: must not be empty/],
    [{ c: 5, f: 'set_context_value', a: ['k', 2 ** 53] }, /beyond 2\^53/],
    [{ c: 5, f: 'set_context', a: [{ deep: [{ id: 2 ** 60 }] }] }, /beyond 2\^53/],
    [{ c: 5, f: 'set_context', a: [[]] }, /^a\.0: must be an object/],
    [{ c: 5, f: 'set_context', a: {} }, /^a: must be \[object\]/],
    [{ c: 5, f: 'reconnect', a: ['pigeon'] }, /^a/],
    [{ c: 5, f: 'reconnect', a: [] }, /^a: must be \["websocket"\]/],
  ])('%j is refused', (fields, message) => {
    expect(faultOf(parseConnectionCall(fields))).toMatch(message);
  });

  test('a context is taken at its bound, and not one byte beyond; keys that JavaScript knows are kept', () => {
    const contextOf = (bytes: number) => ({ k: 'x'.repeat(bytes - '{"k":""}'.length) });
    const parse = (context: unknown) => parseConnectionCall({ c: 5, f: 'set_context', a: [context] });
    expect(parse(contextOf(limits.contextBytesMax)).kind).toBe('valid');
    expect(faultOf(parse(contextOf(limits.contextBytesMax + 1)))).toMatch(/is larger than/);
    const odd: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":1}');
    const parsed = parse(odd);
    expect(parsed.kind === 'valid' && JSON.stringify(parsed.value.call)).toBe(
      '{"kind":"set-context","context":{"__proto__":{"admin":true},"constructor":1}}',
    );
  });

  test('as many channels as a connection may have, and not one more', () => {
    const parse = (count: number) =>
      parseConnectionCall({ c: 5, f: 'subscribe', a: Array.from({ length: count }, (_, index) => `a:${index}`) });
    expect(parse(limits.subscriptionsPerConnectionMax).kind).toBe('valid');
    expect(parse(limits.subscriptionsPerConnectionMax + 1).kind).toBe('fault');
  });
});

describe('frames of the WebSocket API', () => {
  test.each([
    ['{"m":"x","p":{},"i":5}', 5],
    ['{"m":"x","p":{},"id":5}', 5],
    ['{"m":"x","id":"abc"}', 'abc'],
    ['{"m":"x","i":9007199254740991}', 2 ** 53 - 1],
    ['{"m":"x","i":-1}', -1],
    ['{"m":"x"}', null],
    ['{"m":"x","i":null}', null],
  ])('%s has the number %j', (text, number) => {
    expect(parseSocketRequest(text)).toMatchObject({ number, request: { kind: 'valid', value: { method: 'x' } } });
  });

  test.each([
    ['', null, /not JSON/],
    ['{', null, /not JSON/],
    ['[]', null, /not a JSON object/],
    ['null', null, /not a JSON object/],
    ['{"i":3}', 3, /^m: is missing/],
    ['{"m":5,"i":3}', 3, /^m: must be a string/],
    ['{"m":"x","i":1,"id":1}', 1, /two names/],
    ['{"m":"x","i":3,"method":"y"}', 3, /^unknown field "method"/],
    ['{"m":"x","i":3,"traceparent":1}', 3, /^traceparent: must be a string/],
    ['{"m":"x","i":9007199254740993}', null, /^i: must be/],
    ['{"m":"x","i":1.5}', null, /^i: must be/],
    ['{"m":"x","i":{}}', null, /^i: must be/],
    [`{"m":"x","i":"${'a'.repeat(129)}"}`, null, /^i: must be/],
    [`{"m":"x","p":${'['.repeat(16)}${']'.repeat(16)},"i":1}`, null, /nested deeper than 16/],
  ])('%s is refused', (text, number, message) => {
    const parsed = parseSocketRequest(text);
    expect(parsed.number).toBe(number);
    expect(faultOf(parsed.request)).toMatch(message);
  });
});

describe('the query', () => {
  test('adds wait and waitMs to the body', () => {
    expect(withQuery({ c: 'a' }, 'wait=delivered&waitMs=50', ['wait', 'waitMs'])).toEqual({
      kind: 'valid',
      value: { c: 'a', wait: 'delivered', waitMs: 50 },
    });
  });

  test.each([
    ['wiat=delivered', /^unknown query parameter "wiat" \(there are: wait, waitMs\)/],
    ['wait=delivered&wait=delivered', /^wait: is given twice/],
    ['d=x', /^unknown query parameter "d"/],
  ])('%s is refused', (query, message) => {
    expect(faultOf(withQuery({ c: 'a' }, query, ['wait', 'waitMs']))).toMatch(message);
  });

  test.each(['', 'abc', '-5', '1e3', '0x10', '9'.repeat(30)])('waitMs=%s is no number of milliseconds', (text) => {
    const fields = withQuery({ c: 'a', d: '' }, `wait=delivered&waitMs=${text}`, ['wait', 'waitMs']);
    expect(fields.kind === 'valid' && parsePublish(fields.value).kind).toBe('fault');
  });
});

test('no JSON and no bytes make a parser throw', () => {
  const parsers = [parsePublish, parseSend, parseConnectionCall];
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 4 }),
      fc.dictionary(fc.constantFrom('c', 'd', 't', 'f', 'a', 'm', 'i', 'wait'), fc.jsonValue()),
      (value, fields) => {
        for (const parse of parsers) {
          expect(['valid', 'fault']).toContain(parse(value).kind);
          expect(['valid', 'fault']).toContain(parse(fields).kind);
        }
        expect(['valid', 'fault']).toContain(parseSocketRequest(JSON.stringify(fields)).request.kind);
      },
    ),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (text, bytes) => {
      expect(['valid', 'fault']).toContain(parseSocketRequest(text).request.kind);
      expect(['valid', 'fault']).toContain(parseBody(Buffer.from(bytes)).kind);
      expect(['valid', 'fault']).toContain(withQuery({}, text, ['wait']).kind);
    }),
  );
});
