import type { Registry } from 'prom-client';
import { readCounters, readGauges, type Series } from '../../core/process/read-metrics.ts';
import { limits } from '../../core/limits.ts';
import { priorities } from '../../core/publication.ts';
import { clientKinds, otherVersions, type ClientCensus } from './client-census.ts';
import { otherPolicies, type PolicyAccount, type PolicyAccounts } from './policy-accounts.ts';
import { dropReasons } from './tally.ts';

const ofPolicies = `By pattern of the policy in force: at most ${limits.policyLabelsMax} policies, the rest as \`${otherPolicies}\`. The series of a deleted policy are gone.`;

/** Registers what became of publications, by policy. */
export function exportPolicies(registry: Registry, policies: PolicyAccounts): void {
  const counter = (name: string, help: string, read: (account: PolicyAccount) => number): void =>
    readCounters(registry, { name, help: `${help} ${ofPolicies}`, labelNames: ['policy'] }, () =>
      [...policies.read()].map(([policy, account]): Series<'policy'> => [{ policy }, read(account)]),
    );
  counter('barrage_gateway_bytes_sent_total', 'Bytes of publications handed to sockets, frame headers included.', ({ bytes }) => bytes);
  counter('barrage_gateway_publications_delivered_total', 'Publications × members handed to sockets.', ({ tally }) =>
    priorities.reduce((sum, priority) => sum + tally.count('delivered', priority), 0),
  );
  readCounters(
    registry,
    {
      name: 'barrage_gateway_publications_dropped_total',
      help: `Publications × members not sent. Left out on purpose: \`budget\`, \`conflated\`, \`expired\`, \`recalled\`. Lost: \`slow\` (the client reads too slowly), \`disconnected\` (the client was gone, or had left, before its turn). ${ofPolicies}`,
      labelNames: ['policy', 'reason', 'priority'],
    },
    () => droppedSeries(policies),
  );
}

function* droppedSeries(policies: PolicyAccounts): Generator<Series<'policy' | 'reason' | 'priority'>> {
  for (const [policy, { tally }] of policies.read())
    for (const reason of dropReasons)
      for (const priority of priorities) yield [{ policy, reason, priority }, tally.count(reason, priority)];
}

/** Registers the open connections by client. */
export function exportClients(registry: Registry, census: ClientCensus): void {
  readGauges(
    registry,
    {
      name: 'barrage_gateway_connections',
      help: 'Open client connections by client: `sdk` (it told its version), `v1` (another client of barrage.v1, or an older SDK), `plain`, `sse` (an event stream of another program than the SDK).',
      labelNames: ['client'],
    },
    () => clientKinds.map((client): Series<'client'> => [{ client }, census.kinds()[client]]),
  );
  readGauges(
    registry,
    {
      name: 'barrage_gateway_client_versions',
      help: `Open connections of the SDK by its version: at most ${limits.clientVersionsMax} versions, the rest as \`${otherVersions}\`.`,
      labelNames: ['version'],
    },
    () => [...census.versions()].map(([version, connections]): Series<'version'> => [{ version }, connections]),
  );
}
