/**
 * The part of the client that is loaded when it is needed. In the first part is what a page needs to follow channels
 * over one WebSocket, and to come back to it. Here is the rest: tokens, what is published, questions where to connect,
 * the ways away from a connection, other transports, and what options of a subscription ask for.
 *
 * In the form for browsers it is a file of its own, with a copy of what it shares with the first one. So nothing here
 * may rely on being the same object as there: an error comes over by `ownError`. Members have the same short names in
 * both (`package/internal-names.ts`).
 *
 * A page may be unable to load it: gateways of another version have another file. So in the first part are the order of
 * a channel, its gaps and recalls, signs of life, and the attempts to come back.
 */
export { ask } from './asking.ts';
export { Authentication } from './authentication.ts';
export { HeldDelivery } from './held-delivery.ts';
export { ChannelMove } from './move.ts';
export { Moving } from './moving.ts';
export { publishCommand } from './publishing.ts';
export { EventStreamTransport } from './transport/event-stream.ts';
export { PullTransport } from './transport/pull.ts';
