import type { Clock } from '../../core/clock.ts';
import type { GatewayPool } from '../api/gateway-pool.ts';
import type { DocumentBuses } from '../decide/bus-change.ts';
import type { DocumentMember } from '../decide/document.ts';
import type { PoolPolicies } from '../decide/policies.ts';
import type { Recipient } from '../decide/push-plan.ts';
import { childNames } from '../desired/labels.ts';
import type { OperatorJournal } from '../kube/log-lines.ts';
import { resources } from '../kube/resources.ts';
import type { KubeObject } from '../runtime/kube-api.ts';
import { faultRetryMs, type Attempts } from './attempts.ts';
import type { DocumentKeeper } from './document-keeper.ts';
import { addressOf, trustedKeyOf } from './pod-view.ts';
import type { Polls } from './polls.ts';
import type { PoolSecrets } from './pool-secrets.ts';
import type { Stores } from './stores.ts';

/** Milliseconds until a silent pod gets the document again. */
const silentRetryMs = 2_000;
/** A terminating pod gets no push after this many milliseconds without an answer. */
const lastWordsMs = 1_500;

/** Tells a pool's pods of its newest document. */
export class DocumentTeller {
  readonly #stores: Stores;
  readonly #documents: DocumentKeeper;
  readonly #polls: Polls;
  readonly #journal: OperatorJournal;
  readonly #clock: Clock;

  constructor(options: {
    readonly stores: Stores;
    readonly documents: DocumentKeeper;
    readonly polls: Polls;
    readonly journal: OperatorJournal;
    readonly clock: Clock;
  }) {
    this.#stores = options.stores;
    this.#documents = options.documents;
    this.#polls = options.polls;
    this.#journal = options.journal;
    this.#clock = options.clock;
  }

  /**
   * Writes the document where that is due, and pushes it to the pods.
   * @returns milliseconds until it must be written, or until the next attempt where a pod that stays did not take it
   */
  async tell(
    pool: GatewayPool & KubeObject,
    about: {
      readonly secrets: PoolSecrets;
      readonly members: readonly DocumentMember[];
      readonly policies: PoolPolicies;
      readonly buses: DocumentBuses | undefined;
      readonly attempts: Attempts;
      readonly signal: AbortSignal;
    },
  ): Promise<number | undefined> {
    const { secrets, members, policies, buses, attempts, signal } = about;
    const leaving = new Set<string>();
    let afterMs: number | undefined;
    const recipients = this.#stores.podsOf(`${pool.metadata.namespace}/${pool.metadata.name}`).flatMap((pod): Recipient[] => {
      const poll = this.#polls.of(pod.metadata.uid);
      const address = addressOf(pod);
      if (poll === undefined || address === undefined) return [];
      if (pod.metadata.deletionTimestamp !== undefined) {
        // A terminating pod may have ended already: no push waits for it.
        if (this.#clock.monotonic() - poll.at > lastWordsMs) return [];
        leaving.add(pod.metadata.name);
      }
      const { name, uid } = pod.metadata;
      const silentSince = this.#polls.unansweredSince(uid);
      const silentMs = silentSince === undefined ? 0 : Math.max(1, this.#clock.monotonic() - silentSince);
      const { poolEpoch, policiesHash } = poll.status;
      return [{ name, uid, address, poolEpoch, policiesHash, silentMs, trusts: trustedKeyOf(pod) }];
    });
    const subject = `ConfigMap ${childNames.document(pool)}`;
    await attempts.run(subject, async () => {
      const written = await this.#documents.write({
        pool,
        secrets,
        members,
        policies,
        buses,
        polledEpochs: recipients.map(({ poolEpoch }) => poolEpoch),
        observed: (name) => this.#stores.child(resources.configMap, pool.metadata.namespace, name),
        signal,
      });
      if (written.kind === 'unfit') {
        attempts.note({ kind: 'InvalidTemplate', subject, message: `no pool document can be made: ${written.fault}` });
        return;
      }
      const { stored, writeAfterMs } = written;
      afterMs = writeAfterMs;
      const { epoch } = stored.document;
      for (const { to, told } of await this.#documents.push(stored, { policies, secrets }, recipients)) {
        if (told.kind === 'taken') this.#polls.tookDocument(to.uid, { epoch, policiesHash: policies.hash });
        const { name } = to;
        if (told.kind === 'taken' || leaving.has(name)) continue;
        const reason = told.kind === 'refused' ? `${told.status}: ${told.message}` : told.kind;
        const fields = { namespace: pool.metadata.namespace, pool: pool.metadata.name, pod: name, epoch };
        this.#journal.writeTrouble('document-not-taken', pool.metadata.uid, reason, fields);
        afterMs = Math.min(afterMs ?? Infinity, told.kind === 'silent' ? silentRetryMs : faultRetryMs);
      }
    });
    return afterMs;
  }
}
