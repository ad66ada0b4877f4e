import { describe, expect, test } from 'vitest';
import { idempotencyKey, keyCharactersMax, keyContentBytes, keyFault, keyIdBytes, keyOfHeader } from '../../core/idempotency-key.ts';
import { publication } from '../bus/world.ts';

describe('a key as its sender writes it', () => {
  test.each(['k', '8e03978e-40d5-43dd-bc93-6894a57f9324', '!~', '"quotes"', 'x'.repeat(keyCharactersMax)])('%s is taken', (text) => {
    expect(keyFault(text)).toBeUndefined();
  });

  test.each(['', 'x'.repeat(keyCharactersMax + 1), 'a b', ' a', 'a\n', '\x7f', 'ключ', 'a, b'])('%j is refused', (text) => {
    expect(keyFault(text)).toBe('must be 1 to 128 visible ASCII characters without spaces, such as a UUID');
  });

  test.each([
    ['"8e03978e"', '8e03978e'],
    ['8e03978e', '8e03978e'],
    [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    ['""', ''],
    // No string of a structured header: taken as it stands.
    ['"a', '"a'],
    [String.raw`"a\b"`, String.raw`"a\b"`],
    // Parameters are no part of the key, and none is known.
    ['"a";x=1', 'a'],
    ['"a"; x=1.5;y;*z.1="\\"";b=?0;c=:YQ==:;d=@1659578233;e=to/ken:1', 'a'],
    ['"a"  ', 'a'],
    ['"a" ;x=1', '"a" ;x=1'],
    ['"a";', '"a";'],
    ['"a";X=1', '"a";X=1'],
    ['"a";x=', '"a";x='],
    ['"a";x=1,"b"', '"a";x=1,"b"'],
    ['a;x=1', 'a;x=1'],
  ])('the header %s means %s', (value, text) => {
    expect(keyOfHeader(value)).toBe(text);
  });
});

describe('a key as a bus remembers it', () => {
  const sent = publication('a');

  test('has a fixed length, of characters of one byte', () => {
    const { id, content } = idempotencyKey('backend', 'k'.repeat(keyCharactersMax), publication('x'.repeat(100_000)));
    expect([id.length, content.length]).toEqual([keyIdBytes, keyContentBytes]);
    expect(Buffer.from(id + content, 'latin1').length).toBe(keyIdBytes + keyContentBytes);
  });

  test('its id is of the author and the text, its content of what is published', () => {
    const key = idempotencyKey('backend', 'k', sent);
    expect(idempotencyKey('backend', 'k', publication('a', { acceptedAt: 1, sender: 7, traceparent: 't' }))).toEqual(key);
    for (const other of [
      idempotencyKey('backend', 'l', sent),
      idempotencyKey('user 1', 'k', sent),
      // An author's spaces don't run into the key.
      idempotencyKey('user 1 backend', 'k', sent),
    ]) {
      expect(other.id).not.toBe(key.id);
      expect(other.content).toBe(key.content);
    }
    for (const other of [
      publication('b'),
      publication('a', { kind: 'binary' }),
      publication('a', { priority: 'low' }),
      publication('a', { ttlMs: 1 }),
      publication('a', { conflation: { key: 'k', mode: 'Latest', count: 1 } }),
      publication('a', { conflation: { key: 'k', mode: 'Sum', count: 2 } }),
    ]) {
      expect(idempotencyKey('backend', 'k', other).id).toBe(key.id);
      expect(idempotencyKey('backend', 'k', other).content).not.toBe(key.content);
    }
  });
});
