import { expect, test } from 'vitest';
import { BusUnavailable } from '../../../core/bus/bus.ts';
import { neededBuses, planOf } from '../../../core/bus/bus-plan.ts';
import { settle } from '../../support/fake-clock.ts';
import { AnsweringGateway, Listener, publication, question } from '../world.ts';
import { joining, leaving, moving, Rig, story } from './joined-rig.ts';

test('a publication on either bus reaches every process while both are listened to, and after the move B alone is open', async () => {
  const rig = new Rig();
  const [gateway, publisher, straggler] = [rig.process('gateway'), rig.process('publisher'), rig.process('straggler')];
  for (const process of [gateway, publisher, straggler]) process.follow(joining);
  const listener = new Listener();
  expect(await gateway.log.subscribe('c', listener)).toEqual({ epoch: 'eA', offset: 0 });
  await publisher.log.append('c', [publication('1')]);
  publisher.follow(moving);
  gateway.follow(moving);
  await publisher.log.append('c', [publication('2')]);
  await straggler.log.append('c', [publication('3')]);
  straggler.follow(moving);
  await straggler.log.append('c', [publication('4')]);
  for (const process of [gateway, publisher, straggler]) process.follow(leaving);
  await publisher.log.append('c', [publication('5')]);
  // The straggler's batch waited for its turn, and came before its bus was closed.
  expect(story(listener)).toBe('1 2 4 3 5');
  expect(gateway.inUse()).toEqual({ publishTo: 'b', listening: [{ id: 'b', up: true }] });
  expect(rig.a.connections.size).toBe(0);
});

test('a revert opens the closed bus again, and loses nothing either', async () => {
  const rig = new Rig();
  const [gateway, publisher] = [rig.process('gateway'), rig.process('publisher')];
  const all = [gateway, publisher];
  for (const process of all) process.follow(leaving);
  const listener = new Listener();
  await gateway.log.subscribe('c', listener);
  await publisher.log.append('c', [publication('1')]);
  for (const process of all) process.follow(moving);
  await settle();
  expect(gateway.inUse()).toEqual({
    publishTo: 'b',
    listening: [
      { id: 'b', up: true },
      { id: 'a', up: true },
    ],
  });
  await publisher.log.append('c', [publication('2')]);
  for (const process of all) process.follow(joining);
  await publisher.log.append('c', [publication('3')]);
  for (const process of all) process.follow({ publishTo: 'a', listenTo: ['a'] });
  await publisher.log.append('c', [publication('4')]);
  expect(story(listener)).toBe('1 2 3 4');
  expect(rig.b.connections.size).toBe(0);
});

test('two ids of one server: each batch once, one gateway number, one copy of every call', async () => {
  const rig = new Rig({ isTwin: true });
  const [gateway, publisher] = [rig.process('gateway'), rig.process('publisher')];
  for (const process of [gateway, publisher]) process.follow(joining);
  const listener = new Listener();
  const server = new AnsweringGateway('gateway');
  const number = await gateway.calls.serve(server);
  await gateway.log.subscribe('c', listener);
  await publisher.log.append('c', [publication('1'), publication('2')]);
  for (const process of [gateway, publisher]) process.follow(moving);
  await publisher.log.append('c', [publication('3')]);
  expect(await publisher.calls.call(number, question, 1000)).toMatchObject({ kind: 'reply' });
  expect(server.asked).toHaveLength(1);
  expect(gateway.inUse().listening.every(({ up }) => up)).toBe(true);
  for (const process of [gateway, publisher]) process.follow(leaving);
  await publisher.log.append('c', [publication('4')]);
  expect(story(listener)).toBe('1 2 3 4');
  expect(listener.offsets).toEqual([1, 2, 3, 4]);
});

test('a batch that one bus delivered is left out when another brings it later, also after the first was closed', async () => {
  const rig = new Rig({ isTwin: true });
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  const listener = new Listener();
  await gateway.log.subscribe('c', listener);
  const slow = rig.connection(gateway, 'b').subscribers.get('c');
  rig.connection(gateway, 'b').subscribers.delete('c');
  await gateway.log.append('c', [publication('1')]);
  gateway.follow(leaving);
  slow?.onBatch({ channel: 'c', epoch: 'eA', firstOffset: 1, publications: [publication('1')] });
  slow?.onBatch({ channel: 'c', epoch: 'eA', firstOffset: 2, publications: [publication('2')] });
  expect(story(listener)).toBe('1 2');
});

test('a subscription does not wait for a listened bus that is away, and is told of it once it is published to', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  rig.b.setAway(true);
  gateway.follow(joining);
  const [early, late] = [new Listener(), new Listener()];
  await gateway.log.subscribe('early', early);
  expect(gateway.inUse().listening).toEqual([
    { id: 'a', up: true },
    { id: 'b', up: false },
  ]);
  rig.b.setAway(false);
  await settle();
  expect(gateway.inUse().listening[1]).toEqual({ id: 'b', up: true });
  expect(story(early)).toBe('');
  rig.b.setAway(true);
  await gateway.log.subscribe('late', late);
  rig.b.append('late', [publication('missed')]);
  gateway.follow(moving);
  rig.b.setAway(false);
  await settle();
  rig.b.append('late', [publication('heard')]);
  expect(story(late)).toBe('=eB1 heard');
});

test('a listened bus that refuses a subscription is tried again until it takes it', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  rig.b.isHung = true;
  const listener = new Listener();
  const subscribing = gateway.log.subscribe('c', listener);
  await settle();
  rig.connection(gateway, 'b').expire();
  expect(await subscribing).toEqual({ epoch: 'eA', offset: 0 });
  expect(gateway.inUse().listening[1]).toEqual({ id: 'b', up: false });
  rig.b.isHung = false;
  rig.connection(gateway, 'b').expire();
  await rig.clock.advance(1000);
  expect(gateway.inUse().listening[1]).toEqual({ id: 'b', up: true });
  rig.b.append('c', [publication('1')]);
  await rig.clock.advance(1000);
  expect(story(listener)).toBe('1');
});

test('a failure on the bus that is published to is thrown, and leaves no subscription anywhere', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  rig.a.isAway = true;
  await expect(gateway.log.subscribe('c', new Listener())).rejects.toBeInstanceOf(BusUnavailable);
  await settle();
  expect(rig.connection(gateway, 'b').subscribers.size).toBe(0);
  rig.a.isAway = false;
  expect(await gateway.log.subscribe('c', new Listener())).toEqual({ epoch: 'eA', offset: 0 });
});

test('an unsubscribe while a bus does not answer ends all, also what would be tried again', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  rig.b.isHung = true;
  const subscribing = gateway.log.subscribe('c', new Listener());
  await settle();
  gateway.log.unsubscribe('c');
  await expect(subscribing).rejects.toBeInstanceOf(BusUnavailable);
  rig.b.isHung = false;
  await rig.clock.advance(2000);
  for (const id of ['a', 'b']) expect(rig.connection(gateway, id).subscribers.size, id).toBe(0);
});

test('a bus that was interrupted tells of a gap only where something was missed on it', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(joining);
  const listener = new Listener();
  await gateway.log.subscribe('c', listener);
  rig.a.append('c', [publication('1')]);
  rig.connection(gateway, 'b').resubscribe('c');
  rig.connection(gateway, 'a').resubscribe('c');
  expect(story(listener)).toBe('1');
  const part = rig.connection(gateway, 'b').subscribers.get('c');
  rig.connection(gateway, 'b').subscribers.delete('c');
  rig.b.append('c', [publication('missed')]);
  rig.connection(gateway, 'b').subscribers.set('c', part!);
  rig.connection(gateway, 'b').resubscribe('c');
  expect(story(listener)).toBe('1 =eB1');
});

test('a gateway has one number on both buses; a publisher reaches it before and after the move, and counts its members', async () => {
  const rig = new Rig();
  const [gateway, publisher] = [rig.process('gateway'), rig.process('publisher')];
  for (const process of [gateway, publisher]) process.follow(joining);
  // A stranger on B has the number that A gives.
  const stranger = rig.b.connect('stranger');
  await stranger.calls.serve(new AnsweringGateway('stranger'));
  const server = new AnsweringGateway('gateway');
  server.members.set('c', { ready: 3, full: 0 });
  expect(await gateway.calls.serve(server)).toBe(1);
  expect(gateway.inUse().listening).toEqual([
    { id: 'a', up: true },
    { id: 'b', up: false },
  ]);
  expect(publisher.calls.memberCounts('c')).toEqual({ ready: 3, full: 0 });
  await stranger.close();
  rig.connection(gateway, 'b').calls.tryClaim();
  expect(gateway.inUse().listening[1]).toEqual({ id: 'b', up: true });
  publisher.follow(moving);
  expect(publisher.calls.memberCounts('c')).toEqual({ ready: 3, full: 0 });
  gateway.follow(moving);
  expect(await publisher.calls.call(1, question, 1000)).toEqual({ kind: 'reply', reply: { kind: 'done' } });
  for (const process of [gateway, publisher]) process.follow(leaving);
  expect(await publisher.calls.call(1, question, 1000)).toEqual({ kind: 'reply', reply: { kind: 'done' } });
  for (const process of [gateway, publisher]) process.follow(moving);
  for (const process of [gateway, publisher]) process.follow(joining);
  expect(await publisher.calls.call(1, question, 1000)).toEqual({ kind: 'reply', reply: { kind: 'done' } });
});

test('where the previous bus is dead a gateway takes its number on the new one when the document says so', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  rig.a.setAway(true);
  gateway.follow(joining);
  await expect(gateway.calls.serve(new AnsweringGateway('gateway'))).rejects.toBeInstanceOf(BusUnavailable);
  expect(gateway.state()).toEqual({ up: false, reason: 'the previous bus (a): ECONNREFUSED' });
  expect(gateway.inUse().listening).toEqual([
    { id: 'a', up: false },
    { id: 'b', up: true },
  ]);
  gateway.follow(moving);
  expect(await gateway.calls.serve(new AnsweringGateway('gateway'))).toBe(1);
  expect(gateway.state()).toEqual({ up: true });
  expect(await gateway.log.subscribe('c', new Listener())).toEqual({ epoch: 'eB', offset: 0 });
  rig.a.setAway(false);
  rig.connection(gateway, 'a').calls.tryClaim();
  await settle();
  expect(gateway.inUse().listening.every(({ up }) => up)).toBe(true);
});

test('a process is up when it reaches the bus that is published to, and its main bus while the pool joins that', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  const states: boolean[] = [];
  gateway.onStateChange(({ up }) => states.push(up));
  expect(gateway.state()).toMatchObject({ up: false, reason: expect.stringContaining('pool document') });
  await expect(gateway.log.append('c', [publication('1')])).rejects.toThrow('pool document');
  gateway.follow(joining);
  expect(gateway.state()).toEqual({ up: true });
  rig.b.setAway(true);
  expect(gateway.state()).toEqual({ up: false, reason: 'the main bus (b): ECONNREFUSED' });
  rig.b.setAway(false);
  gateway.follow(moving);
  rig.a.setAway(true);
  expect(gateway.state()).toEqual({ up: true });
  expect(states).toEqual([true, false, true]);
  // A process of the bus that the pool leaves does not need the one that it joins.
  expect(neededBuses(planOf({ main: 'a', previous: undefined }, joining), { main: 'a', previous: undefined })).toEqual(['a']);
});

test('a process without the bus that is published to is deaf: it says so, and tells each subscriber once', async () => {
  const rig = new Rig();
  const old = rig.process('old', { main: 'a', previous: undefined });
  old.follow(undefined);
  const listener = new Listener();
  await old.log.subscribe('c', listener);
  await old.calls.serve(new AnsweringGateway('old'));
  old.follow(joining);
  rig.a.append('c', [publication('1')]);
  expect(story(listener)).toBe('1');
  old.follow(moving);
  old.follow({ ...moving });
  const deaf = 'this process has no connection to the bus that the pool publishes to now (b)';
  expect(old.state()).toEqual({ up: false, reason: deaf });
  expect(old.inUse()).toEqual({ publishTo: '', listening: [{ id: 'a', up: true }] });
  expect(listener.resubscribed).toHaveLength(1);
  expect(listener.resubscribed[0]).toMatchObject({ offset: 0, epoch: expect.not.stringMatching(/^eA/) });
  await expect(old.log.append('c', [publication('x')])).rejects.toThrow(deaf);
  await expect(old.log.subscribe('d', new Listener())).rejects.toThrow(deaf);
  expect(await old.calls.call(1, question, 1000)).toEqual({ kind: 'unanswered' });
  expect((await old.calls.callAll(question, 1000)).unanswered).toEqual([`every gateway: ${deaf}`]);
  expect(await old.calls.countMembers('c')).toBeUndefined();
  // Hearing again, it can't tell what it has missed meanwhile.
  old.follow(joining);
  expect(listener.resubscribed).toHaveLength(2);
  rig.a.append('c', [publication('2')]);
  expect(listener.texts).toEqual(['1', '2']);
});

test('a process with one bus gives its subscribers to that bus as they are', async () => {
  const rig = new Rig();
  const alone = rig.process('alone', { main: 'a', previous: undefined });
  alone.follow(undefined);
  const listener = new Listener();
  await alone.log.subscribe('c', listener);
  expect(rig.connection(alone, 'a').subscribers.get('c')).toBe(listener);
});

test('a bus that is away holds up neither a subscription nor the end of the process', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  rig.a.setAway(true);
  gateway.follow(moving);
  await gateway.log.subscribe('c', new Listener());
  await gateway.close();
  expect(gateway.state()).toEqual({ up: false, reason: 'the bus is closed' });
  expect(rig.a.connections.size + rig.b.connections.size).toBe(0);
  await expect(gateway.log.append('c', [publication('1')])).rejects.toThrow('closed');
});

test('many subscriptions enter a bus that is opened late, some at a time, and all of them', async () => {
  const rig = new Rig();
  const gateway = rig.process('gateway');
  gateway.follow(leaving);
  const listeners = Array.from({ length: 1000 }, () => new Listener());
  await Promise.all(listeners.map((listener, index) => gateway.log.subscribe(`c${index}`, listener)));
  gateway.follow(moving);
  expect(gateway.inUse().listening[1]).toEqual({ id: 'a', up: false });
  await settle();
  expect(gateway.inUse().listening[1]).toEqual({ id: 'a', up: true });
  rig.a.append('c999', [publication('1')]);
  await rig.clock.advance(1000);
  expect(story(listeners[999]!)).toBe('1');
});
