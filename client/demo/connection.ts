import { Barrage } from '../barrage.ts';

const defaultChannel = 'video:1';

/** The channel that the page's address names (`?channel=video:1`). */
export function pageChannel(): string {
  return new URLSearchParams(location.search).get('channel')?.trim() || defaultChannel;
}

/** Connects to the gateway that served this page. */
export function connectToOwnGateway(): Barrage {
  return new Barrage(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`);
}

/** A name of this page that tells its own comments from others'. A reload gives another one. */
export const pageId: string = crypto.getRandomValues(new Uint32Array(2)).join('-');

/** An error of a command, in words for the viewer. */
export function errorInWords(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'forbidden':
      return 'This channel takes comments from backends only.';
    case 'not_authenticated':
      return 'This channel takes comments from signed-in viewers only.';
    case 'too_many_requests':
    case 'limit_exceeded':
      return 'Too many at once. Wait a moment.';
    case 'payload_too_large':
      return 'That is too long for this channel.';
    case 'disconnected':
    case 'closed':
      return 'Not connected. Trying to reconnect.';
    case 'unsupported':
      return 'This network lets only polling through: comments can be read, and not sent.';
    case 'timeout':
      return 'No answer from the gateway.';
    case 'unavailable':
      return 'Publishing is not available just now. Try again.';
    default:
      return error instanceof Error ? error.message : 'That did not work.';
  }
}

/** The link to the other page, on the same channel. */
export function pageLink(path: '/' | '/emit', channel: string): string {
  return channel === defaultChannel ? path : `${path}?channel=${encodeURIComponent(channel)}`;
}
