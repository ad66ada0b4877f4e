import type { Cluster } from '../support/cluster.ts';

/** A redis-server of a pod. */
export interface RedisContainer {
  readonly name: string;
  readonly port: number;
  /** As on redis-server's command line, the port aside. */
  readonly args: readonly string[];
}

export interface RedisPod {
  readonly name: string;
  readonly containers: readonly RedisContainer[];
  /** Secret whose files the servers find in the folder `/secret`; they serve by TLS only. */
  readonly secret?: string;
  /**
   * Names of empty files to make in the folder `/data` before the servers start: a Sentinel asks for one that it can
   * write.
   */
  readonly files?: readonly string[];
}

/** Settings of a server that keeps nothing and takes connections from other pods. */
export const openServer = ['--save', '', '--protected-mode', 'no', '--dir', '/data', '--repl-diskless-sync-delay', '0'] as const;

/**
 * Starts Redis in a pod of a namespace that admits restricted pods only; pods of the namespace reach it by a Service of
 * the pod's name.
 * @returns the pod's address, at which it answers
 */
export async function startRedisPod(cluster: Cluster, namespace: string, redis: RedisPod): Promise<string> {
  const { name } = redis;
  for (const object of [pod(redis), service(redis)]) await cluster.kubectl(['-n', namespace, 'create', '-f', '-'], JSON.stringify(object));
  await cluster.kubectl(['-n', namespace, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
  return cluster.kubectl(['-n', namespace, 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}']);
}

function pod({ name, containers, secret, files = [] }: RedisPod): object {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const data = { name: 'data', mountPath: '/data' };
  const volumeMounts = [data, ...(secret === undefined ? [] : [{ name: 'secret', mountPath: '/secret' }])];
  const servers = containers.map(({ name: server, port, args }) => ({
    name: server,
    image: 'redis:test',
    args: [...args, ...(secret === undefined ? [] : ['--port', '0']), secret === undefined ? '--port' : '--tls-port', `${port}`],
    env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
    // Without a share of its own a container gets next to nothing of a busy node, and Sentinels that are kept waiting
    // for 2 s do nothing for 30 s.
    resources: { requests: { cpu: '50m' } },
    securityContext,
    volumeMounts,
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
  }));
  const touch = { name: 'files', image: 'barrage:test', command: ['sh', '-c', files.map((file) => `: >/data/${file}`).join(';')] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      // A server that has died comes back by nobody's hand but the test's.
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, runAsUser: 999, seccompProfile: { type: 'RuntimeDefault' } },
      initContainers: files.length === 0 ? [] : [{ ...touch, securityContext, volumeMounts: [data] }],
      containers: servers,
      volumes: [{ name: 'data', emptyDir: {} }, ...(secret === undefined ? [] : [{ name: 'secret', secret: { secretName: secret } }])],
    },
  };
}

function service({ name, containers }: RedisPod): object {
  const ports = containers.map((container) => ({ name: container.name, port: container.port }));
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports } };
}
