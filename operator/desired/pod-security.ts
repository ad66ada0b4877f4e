import { isObject } from './overlay.ts';
import type { Json, JsonObject } from './objects.ts';

/**
 * Breaches of the Pod Security level `restricted`, in words; empty is good. A user's overlay may cause them: a
 * condition then says so before a namespace refuses the pod.
 */
export function restrictedBreaches(spec: JsonObject): readonly string[] {
  const found: string[] = [];
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) if (spec[field] === true) found.push(`spec.${field} is true`);
  for (const volume of listOf(spec['volumes'])) {
    const source = Object.keys(volume).find((key) => key !== 'name' && !allowedVolumes.has(key));
    if (source !== undefined) found.push(`volume ${textOf(volume['name'])} is of type ${source}`);
  }
  const pod = isObject(spec['securityContext']) ? spec['securityContext'] : {};
  for (const field of ['initContainers', 'containers'])
    for (const container of listOf(spec[field]))
      found.push(...containerBreaches(container, pod).map((breach) => `container ${textOf(container['name'])}: ${breach}`));
  return found;
}

const allowedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

function containerBreaches(container: JsonObject, pod: JsonObject): readonly string[] {
  const context = isObject(container['securityContext']) ? container['securityContext'] : {};
  const capabilities = isObject(context['capabilities']) ? context['capabilities'] : {};
  const drops = Array.isArray(capabilities['drop']) ? capabilities['drop'] : [];
  const adds: readonly Json[] = Array.isArray(capabilities['add']) ? capabilities['add'] : [];
  const seccomp = context['seccompProfile'] ?? pod['seccompProfile'];
  const seccompType = isObject(seccomp) ? seccomp['type'] : undefined;
  const checks: readonly (readonly [boolean, string])[] = [
    [context['privileged'] === true, 'it is privileged'],
    [context['allowPrivilegeEscalation'] !== false, 'it may escalate privileges'],
    [!drops.includes('ALL'), 'it does not drop all capabilities'],
    [adds.some((name) => name !== 'NET_BIND_SERVICE'), `it adds capabilities (${adds.map((name) => JSON.stringify(name)).join(', ')})`],
    [(context['runAsNonRoot'] ?? pod['runAsNonRoot']) !== true, 'it may run as root'],
    [(context['runAsUser'] ?? pod['runAsUser']) === 0, 'it runs as root'],
    [seccompType !== 'RuntimeDefault' && seccompType !== 'Localhost', 'it has no seccomp profile'],
    [listOf(container['ports']).some(({ hostPort }) => hostPort !== undefined && hostPort !== 0), 'it has a host port'],
  ];
  return checks.flatMap(([isBreach, words]) => (isBreach ? [words] : []));
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((item: Json) => isObject(item)) : [];
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '(without a name)';
}
