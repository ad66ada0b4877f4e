import { limits } from './limits.ts';

/** The fault of a channel name, in words for its sender; `undefined` for a good name. */
export function channelNameFault(name: string): string | undefined {
  if (name.length === 0) return 'the channel name is empty';
  if (name.length > limits.channelNameBytesMax || Buffer.byteLength(name) > limits.channelNameBytesMax) {
    return `the channel name is longer than ${limits.channelNameBytesMax} bytes`;
  }
  if (!name.isWellFormed()) return 'the channel name is not well-formed Unicode';
  if (forbidden.test(name)) return 'a channel name has no spaces, no control characters and none of * @';
  return undefined;
}

// Characters that are ambiguous in patterns (*) or in the plain protocol (@), or invisible. Lone surrogates are refused
// above.
const forbidden = /[\s*@\p{Cc}\p{Cf}\u2028\u2029]/u;

/**
 * The meaning of the plain protocol's `X@Y`. `X@user` is always the sender's own user channel; X is ignored.
 * @see CONNMIX "video barrage" and "user message centre"
 */
export type PlainChannel =
  | { readonly kind: 'channel'; readonly name: string }
  | { readonly kind: 'own-user' }
  | { readonly kind: 'invalid' };

/** Reads `100001@video` as channel `video:100001`. A text without exactly two parts around one `@` is invalid. */
export function parsePlainChannel(text: string): PlainChannel {
  const at = text.indexOf('@');
  if (at < 0 || text.indexOf('@', at + 1) >= 0) return { kind: 'invalid' };
  const key = text.slice(0, at);
  const type = text.slice(at + 1);
  if (type === 'user') return { kind: 'own-user' };
  if (type === '' || key === '') return { kind: 'invalid' };
  const name = `${type}:${key}`;
  return channelNameFault(name) === undefined ? { kind: 'channel', name } : { kind: 'invalid' };
}

/** The channel of one user's messages. Only that user may subscribe to it. */
export function userChannel(uid: string): string {
  return `user:${uid}`;
}

/** The user who owns this channel; `undefined` for a channel without an owner. */
export function channelOwner(channel: string): string | undefined {
  return channel.startsWith('user:') ? channel.slice('user:'.length) : undefined;
}
