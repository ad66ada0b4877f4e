/**
 * The common part of gateway and publisher pods: a container that the Pod Security level `restricted` admits, its
 * settings, its probes and its pool folder.
 */
import { busKey, type PodBus } from './bus-settings.ts';
import { childLabels, childNames, names, ports, type Component } from './labels.ts';
import type { Json, JsonObject } from './objects.ts';
import { isObject, overlaid } from './overlay.ts';
import type { SettingsDigests } from './secrets.ts';
import type { GatewayPool, GatewayPoolTemplate } from '../api/gateway-pool.ts';

/** Everything that goes into a pod. */
export interface PodIngredients {
  readonly pool: GatewayPool;
  /** The product's image, unless the template names another. */
  readonly image: string;
  /** PEM of the public key that verifies pool documents and drain commands. */
  readonly publicKey: string;
  /** Digests of the settings from Secrets. */
  readonly settingsDigests: SettingsDigests;
  /** Absent on a memory bus. */
  readonly buses?: PodBuses | undefined;
}

/** The buses of a pod. */
export interface PodBuses {
  readonly main: PodBus;
  /** The bus to which the pod listens besides while the pool goes from one to another. */
  readonly previous?: PodBus | undefined;
}

/** Every address of a pod, IPv6 and IPv4. */
export const anyAddress = '::';
export const poolFolder = '/etc/barrage/pool';
const redisCaFolder = '/etc/barrage/redis-ca';
const tlsFolder = '/etc/barrage/tls';
/** The files of a `kubernetes.io/tls` Secret. */
const tlsFiles = ['tls.crt', 'tls.key'] as const;
/** Policy parts that a pod mounts. A pod's volumes can't change, so every part has a place from the start. */
export const policyPartsMax = 8;

/** Metadata (labels and annotations) and spec of a pod without a name. */
export interface PodTemplate extends JsonObject {
  readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: JsonObject;
}

export interface PodShape {
  readonly component: Component;
  readonly args: readonly string[];
  readonly env: readonly JsonObject[];
  readonly ports: readonly JsonObject[];
  readonly resources: JsonObject;
  /** Fields of the pod's spec that the overlay may change. */
  readonly spec: JsonObject;
  /** Fields of the pod's spec that the overlay may not change. */
  readonly fixedSpec: JsonObject;
  readonly preStopSeconds: number;
  readonly overlay: GatewayPoolTemplate;
}

export function podTemplate(ingredients: PodIngredients, shape: PodShape): PodTemplate {
  const { pool, settingsDigests } = ingredients;
  const env = [...sharedEnv(ingredients), ...shape.env];
  const base: JsonObject = {
    automountServiceAccountToken: false,
    // A Service named barrage-gateway would otherwise set BARRAGE_GATEWAY_PORT to tcp://….
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 10001,
      runAsGroup: 10001,
      fsGroup: 10001,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    topologySpreadConstraints: spread(pool, shape.component),
    containers: [container(ingredients, shape, env)],
    volumes: volumes(ingredients),
    ...shape.spec,
  };
  const { labels = {}, annotations = {} } = shape.overlay.metadata ?? {};
  return {
    metadata: {
      labels: { ...withoutReserved(labels), ...childLabels(pool, shape.component) },
      annotations: {
        ...withoutReserved(annotations),
        [names.annotation.settingsDigest]: settingsDigests[shape.component],
        ...(ingredients.buses === undefined ? {} : { [names.annotation.bus]: ingredients.buses.main.id }),
        ...(ingredients.buses?.previous === undefined ? {} : { [names.annotation.previousBus]: ingredients.buses.previous.id }),
      },
    },
    spec: { ...withOurs(overlaid(base, (shape.overlay.spec ?? {}) as JsonObject), env, shape), ...shape.fixedSpec },
  };
}

/** Drops names below the operator's prefix. A drain mark in a template, for example, would make every new pod leave. */
function withoutReserved(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith(names.reservedPrefix)));
}

/**
 * Writes the fields that ownership and the admin API depend on over the overlay. A value of a wrong type stays for the
 * API server to refuse.
 */
function withOurs(spec: JsonObject, env: readonly JsonObject[], shape: PodShape): JsonObject {
  const { containers } = spec;
  if (!isList(containers)) return spec;
  return {
    ...spec,
    containers: containers.map((item) => {
      if (!isObject(item) || item['name'] !== names.container) return item;
      const ours = new Set(env.map(({ name }) => name));
      const added = item['env'] ?? [];
      if (!isList(added)) return item;
      const theirs = added.filter((each) => !isObject(each) || !ours.has(each['name']));
      return { ...item, args: shape.args, env: [...env, ...theirs] };
    }),
  };
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function container(ingredients: PodIngredients, shape: PodShape, env: readonly JsonObject[]): JsonObject {
  const { image } = ingredients;
  const probe = (path: string, timing: JsonObject) => ({ httpGet: { path, port: 'admin' }, ...timing });
  return {
    name: names.container,
    image,
    imagePullPolicy: 'IfNotPresent',
    args: shape.args,
    env,
    ports: [...shape.ports, { name: 'admin', containerPort: ports.admin, protocol: 'TCP' }],
    resources: shape.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    startupProbe: probe('/livez', { periodSeconds: 1, failureThreshold: 60, timeoutSeconds: 2 }),
    livenessProbe: probe('/livez', { periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5 }),
    readinessProbe: probe('/readyz', { periodSeconds: 2, failureThreshold: 3, timeoutSeconds: 2 }),
    lifecycle: { preStop: ownPreStop(shape.preStopSeconds) },
    volumeMounts: [
      { name: 'pool', mountPath: poolFolder, readOnly: true },
      ...(ingredients.pool.spec.tls === undefined ? [] : [{ name: names.tlsVolume, mountPath: tlsFolder, readOnly: true }]),
      ...(busesWithCa(ingredients).length > 0 ? [{ name: 'redis-ca', mountPath: redisCaFolder, readOnly: true }] : []),
    ],
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

/**
 * The operator's preStop hook: a sleep before SIGTERM, so that balancers learn that the pod leaves. A template may
 * replace it.
 */
export function ownPreStop(seconds: number): JsonObject {
  return { sleep: { seconds } };
}

function sharedEnv({ pool, publicKey, buses }: PodIngredients): readonly JsonObject[] {
  const { webhookURL } = pool.spec.auth;
  return [
    variable('BARRAGE_ADMIN_PORT', String(ports.admin)),
    variable('BARRAGE_POOL_FOLDER', poolFolder),
    publicKeyVariable(publicKey),
    { name: 'BARRAGE_POD_UID', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.uid' } } },
    ...(buses === undefined ? [] : busEnv(pool, buses.main, 'BARRAGE_')),
    ...(buses?.previous === undefined ? [] : busEnv(pool, buses.previous, 'BARRAGE_PREVIOUS_')),
    ...(webhookURL === undefined ? [] : [variable('BARRAGE_AUTH_URL', webhookURL)]),
    ...(pool.spec.tls === undefined
      ? []
      : [variable(names.tlsVariable, `${tlsFolder}/${tlsFiles[0]}`), variable('BARRAGE_TLS_KEY_FILE', `${tlsFolder}/${tlsFiles[1]}`)]),
  ];
}

/** The settings of one bus of a pod. */
function busEnv(
  pool: GatewayPool,
  { id, mode, prefix, sentinelName, hasLogin, hasCa }: PodBus,
  beginning: 'BARRAGE_' | 'BARRAGE_PREVIOUS_',
): readonly JsonObject[] {
  const secret = childNames.settings(pool);
  return [
    variable(`${beginning}BUS`, id),
    fromSecret(`${beginning}REDIS_URL`, secret, busKey(id, 'url')),
    variable(`${beginning}REDIS_PREFIX`, prefix),
    ...(mode === 'Standalone' ? [] : [variable(`${beginning}REDIS_MODE`, mode)]),
    ...(sentinelName === undefined ? [] : [variable(`${beginning}REDIS_SENTINEL_NAME`, sentinelName)]),
    ...(hasLogin
      ? [
          fromSecret(`${beginning}REDIS_USERNAME`, secret, busKey(id, 'username'), 'optional'),
          fromSecret(`${beginning}REDIS_PASSWORD`, secret, busKey(id, 'password')),
        ]
      : []),
    ...(hasCa ? [variable(`${beginning}REDIS_CA_FILE`, `${redisCaFolder}/${id}.crt`)] : []),
  ];
}

/** @param publicKey PEM */
export function publicKeyVariable(publicKey: string): JsonObject {
  return variable(names.publicKeyVariable, publicKey.trim().replaceAll('\n', '\\n'));
}

/** A variable with exactly this value. A kubelet would expand `$(NAME)` and `$$` (Kubernetes API, EnvVar.value). */
export function variable(name: string, value: string): JsonObject {
  return { name, value: value.replaceAll('$', '$$$$') };
}

/** @param presence `optional`: without that key the variable is unset */
export function fromSecret(name: string, secret: string, key: string, presence: 'required' | 'optional' = 'required'): JsonObject {
  return { name, valueFrom: { secretKeyRef: { name: secret, key, ...(presence === 'optional' ? { optional: true } : {}) } } };
}

/**
 * One volume holds document and policies, so that they change together. All sources are optional: the pod may exist
 * before them.
 */
function volumes(ingredients: PodIngredients): readonly JsonObject[] {
  const { pool } = ingredients;
  const source = (name: string, key: string) => ({ configMap: { name, optional: true, items: [{ key, path: key }] } });
  const parts = Array.from({ length: policyPartsMax }, (_, part) => source(childNames.policies(pool, part), `policies-${part}.json`));
  return [
    { name: 'pool', projected: { defaultMode: 0o444, sources: [source(childNames.document(pool), 'pool.json'), ...parts] } },
    ...tlsVolume(pool),
    ...redisCaVolume(pool, busesWithCa(ingredients)),
  ];
}

/** The user's Secret itself: the kubelet brings a new certificate to the running pod, which reads it again. */
function tlsVolume({ spec: { tls } }: GatewayPool): readonly JsonObject[] {
  if (tls === undefined) return [];
  const items = tlsFiles.map((key) => ({ key, path: key }));
  return [{ name: names.tlsVolume, secret: { secretName: tls.secretName, defaultMode: 0o440, items } }];
}

/**
 * The volume mounts the settings Secret and not the user's. The pod's digest describes the former, and the latter may
 * be missing.
 */
function redisCaVolume(pool: GatewayPool, ids: readonly string[]): readonly JsonObject[] {
  if (ids.length === 0) return [];
  const items = ids.map((id) => ({ key: busKey(id, 'ca'), path: `${id}.crt` }));
  return [{ name: 'redis-ca', secret: { secretName: childNames.settings(pool), defaultMode: 0o444, items } }];
}

/** Ids of a pod's buses that have an authority of their own. */
function busesWithCa({ buses }: PodIngredients): readonly string[] {
  return [buses?.main, buses?.previous].flatMap((bus) => (bus?.hasCa === true ? [bus.id] : []));
}

/** The label that differs between the revisions of a component's pods. Deployments write their own. */
const revisionLabels: Readonly<Record<Component, string>> = { gateway: names.label.revision, publisher: 'pod-template-hash' };

/** Each revision is spread by itself. Pods that are about to leave would draw the new ones away from their nodes. */
function spread(pool: GatewayPool, component: Component): readonly JsonObject[] {
  return ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: { [names.label.pool]: pool.metadata.name, [names.label.component]: component } },
    matchLabelKeys: [revisionLabels[component]],
  }));
}
