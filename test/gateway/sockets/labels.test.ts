import { writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Barrage } from '../../../client/barrage.ts';
import { sdkVersion } from '../../../client/version.ts';
import { priorities } from '../../../core/publication.ts';
import { busiestWindowSeconds } from '../../../gateway/accounts/busiest-channels.ts';
import { dropReasons } from '../../../gateway/accounts/tally.ts';
import { scrape, type Sample } from '../../support/exposition.ts';
import { policyFile, TestStandalone } from '../../support/standalone.ts';
import { until } from '../../support/websocket.ts';

const hostile = 'video:"\\{}=,\u{1f600}';

test('series by client, by policy and of the busiest channels: they come with their objects, and go with them', async () => {
  const policies = await policyFile('channels: [{channel: "video:*", merge: {windowMilliseconds: 0}}]\n');
  const barrage = await TestStandalone.start({ BARRAGE_POLICY_FILE: policies });
  const series = async (name: string): Promise<readonly Sample[]> =>
    (await scrape(barrage.port)).samples.filter((sample) => sample.name === `barrage_gateway_${name}`);
  const valueOf = async (name: string, label: string, value: string): Promise<number | undefined> =>
    (await series(name)).find(({ labels }) => labels[label] === value)?.value;

  const sdk = new Barrage(`ws://127.0.0.1:${barrage.port}/`);
  onTestFinished(() => sdk.close());
  sdk.subscribe(hostile);
  const [v1, plain] = [await barrage.v1(), await barrage.plain()];
  await v1.subscribe('room:1');
  await until(async () => (await barrage.metric('barrage_gateway_subscriptions')) === 2, 20);
  for (const client of ['sdk', 'v1', 'plain']) expect(await valueOf('connections', 'client', client), client).toBe(1);
  expect(await valueOf('client_versions', 'version', sdkVersion)).toBe(1);
  plain.socket.close();
  await until(async () => (await valueOf('connections', 'client', 'plain')) === 0, 20);

  for (let index = 0; index < 20; index++) await barrage.publish(hostile, 'x');
  await barrage.publish('room:1', 'x');
  await until(async () => (await valueOf('publications_delivered_total', 'policy', 'video:*')) === 20, 20);
  expect(await valueOf('publications_delivered_total', 'policy', '*')).toBe(1);
  expect(await valueOf('bytes_sent_total', 'policy', 'video:*')).toBeGreaterThan(20);

  await until(async () => (await series('top_channel_load_ratio')).length === 2, 100);
  expect(await valueOf('top_channel_publications_per_second', 'channel', hostile)).toBeCloseTo(20 / busiestWindowSeconds, 1);
  await writeFile(policies, 'channels: []\n');
  await until(async () => (await valueOf('publications_delivered_total', 'policy', 'video:*')) === undefined, 100);
  await barrage.publish(hostile, 'x');
  await until(async () => (await valueOf('publications_delivered_total', 'policy', '*')) === 2, 20);
  expect(await series('publications_dropped_total')).toHaveLength(dropReasons.length * priorities.length);
});
