import { names } from '../desired/labels.ts';
import { firstDifference } from './rollout.ts';

interface PodDescription {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: object;
}

/**
 * The first difference between a pod and the wanted one, without the contents of Secrets; `undefined` without a
 * difference.
 */
export function podDifference(wanted: PodDescription, pod: PodDescription): string | undefined {
  const spec = firstDifference(wanted.spec, pod.spec ?? {});
  if (spec !== undefined) return spec;
  const digest = names.annotation.settingsDigest;
  if (wanted.metadata.annotations?.[digest] !== pod.metadata.annotations?.[digest])
    return "what the pool's Secrets hold (Redis login and authority, API keys, JWT secret) has changed";
  const { labels, annotations } = wanted.metadata;
  return firstDifference({ labels, annotations }, pod.metadata, 'metadata');
}
