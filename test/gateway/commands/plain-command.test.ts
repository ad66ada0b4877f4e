import { expect, test } from 'vitest';
import { parsePlainCommand } from '../../../gateway/commands/plain-command.ts';

test('what is a command is read', () => {
  expect(parsePlainCommand('{"op":"subscribe","channel":"1@video"}')).toEqual({
    kind: 'subscribe',
    channel: { kind: 'channel', name: 'video:1' },
  });
  expect(parsePlainCommand('{"op":"unsubscribe","channel":"x@user"}')).toEqual({ kind: 'unsubscribe', channel: { kind: 'own-user' } });
  expect(parsePlainCommand('{"op":"dance","channel":"1@video"}')).toMatchObject({ kind: 'other' });
  expect(parsePlainCommand('{"op":"auth","token":"t"}')).toEqual({ kind: 'auth', token: 't' });
});

const form = '{"op":"subscribe","channel":"100001@video"}';

test.each([
  ['{"op":"subscribe","channel":"video:1"}', 'channel: in this protocol it is written 1@video'],
  ['{"op":"subscribe","channel":"a:b:c"}', 'channel: in this protocol it is written b:c@a'],
  ['{"op":"subscribe","channel":"user:7"}', 'channel: in this protocol it is written 7@user'],
  ['{"op":"subscribe","channel":"lobby"}', 'channel: in this protocol it is KEY@TYPE, such as 100001@video (other names need barrage.v1)'],
  ['{"op":"subscribe","channel":"a@b@c"}', 'channel: has more than one @: write KEY@TYPE, such as 100001@video'],
  ['{"op":"subscribe","channel":"1@"}', 'channel: has nothing on one side of the @: write KEY@TYPE, such as 100001@video'],
  ['{"op":"subscribe","channel":"@video"}', 'channel: has nothing on one side of the @: write KEY@TYPE, such as 100001@video'],
  ['{"op":"subscribe","channel":"1 2@video"}', 'channel: a channel name has no spaces, no control characters and none of * @'],
  ['{"op":"subscribe","channel":""}', 'channel: the channel name is empty'],
  ['{"op":"subscribe","channel":7}', `channel must be a string: send ${form}`],
  ['{"op":"subscribe"}', `channel is missing: send ${form}`],
  ['{"channel":"1@video"}', `op is missing: send ${form}`],
  ['{"op":1}', `op must be a string: send ${form}`],
  ['{"op":"auth"}', 'token is missing: send {"op":"auth","token":"…"}'],
  ['{"op":"auth","token":5}', 'token must be a string: send {"op":"auth","token":"…"}'],
  ['subscribe 1@video', `not JSON: send ${form}`],
  ['[]', `not a JSON object: send ${form}`],
  ['['.repeat(20), `JSON is nested deeper than 16: send ${form}`],
])('what is no command is told apart, with how it is written: %s', (text, reason) => {
  const command = parsePlainCommand(text);
  expect(command).toMatchObject({ kind: 'bad', reason });
  // Where the reason quotes the client, the log gets other words.
  const isOfChannel = reason.startsWith('channel: ');
  expect('logged' in command ? command.logged : undefined).toBe(isOfChannel ? 'the channel is not named KEY@TYPE' : undefined);
  expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
});
