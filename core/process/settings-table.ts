import { hostname } from 'node:os';
import { z } from 'zod';
import { limits } from '../limits.ts';
import { previousBusSettings, redisSettings } from './redis-settings.ts';
import { setting } from './setting.ts';
import { tlsSettings } from './tls-settings.ts';
import { traceSettings } from './trace-settings.ts';
import {
  addressRanges,
  apiKeys,
  claim,
  host,
  labels,
  namespaceName,
  namespaceNames,
  namespacedName,
  objectName,
  origins,
  publicKey,
  sharedSecret,
  webUrl,
  whole,
} from './settings-values.ts';

/** Every setting of every process. `docs/settings.md` is this table in words; a test compares them. */
export const settingsTable = {
  gatewayHost: setting({
    variable: 'BARRAGE_GATEWAY_HOST',
    fallback: '127.0.0.1',
    accepts: 'an IP address or a host name, without a port',
    schema: host,
    meaning: 'Address on which the gateway listens for clients.',
  }),
  gatewayPort: setting({
    variable: 'BARRAGE_GATEWAY_PORT',
    fallback: '6790',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: 'Port on which the gateway listens for clients; 0 takes a free one.',
  }),
  gatewayName: setting({
    variable: 'BARRAGE_GATEWAY_NAME',
    fallback: hostname(),
    accepts: '1 to 253 characters',
    schema: z.string().min(1).max(253),
    meaning: 'Name of this gateway for people, in logs and in answers that name a silent gateway. The default is the host name.',
  }),
  gatewayOrigins: setting({
    variable: 'BARRAGE_GATEWAY_ORIGINS',
    fallback: '',
    accepts: 'a comma-separated list of origins such as https://example.com, capacitor://localhost or null, or *',
    schema: origins,
    meaning:
      "Web origins whose pages may connect; null stands for pages without an origin. Empty: the origins of the gateway's own host. A list replaces that default: if pages come from the gateway's own host, the list needs that origin too. A gateway that listens on loopback also takes loopback origins of any port.",
  }),
  connectionsMax: setting({
    variable: 'BARRAGE_GATEWAY_CONNECTIONS_MAX',
    fallback: '20000',
    accepts: `1 to ${limits.connectionsMax}`,
    fallbackWithTls: '8000',
    schema: whole(1, limits.connectionsMax),
    meaning:
      'Connections that one gateway accepts; further ones are answered 503 with Retry-After. Sockets that speak HTTP count too. Beyond the bound each of them gets one answer and is closed.',
  }),
  acceptsPerSecond: setting({
    variable: 'BARRAGE_GATEWAY_ACCEPTS_PER_SECOND',
    fallback: '2000',
    accepts: '1 to 100000',
    fallbackWithTls: '200',
    schema: whole(1, 100_000),
    meaning:
      'New connections that one gateway accepts in a second, a fifth of them at once; further ones are answered 503 with Retry-After. With TLS also the handshakes that begin in a second; further ones wait for their turn. The back-off of clients is computed from it, so all gateways of a pool should have the same value.',
  }),
  pullRequestsPerSecond: setting({
    variable: 'BARRAGE_PULL_REQUESTS_PER_SECOND',
    fallback: '5000',
    accepts: '1 to 1000000',
    schema: whole(1, 1_000_000),
    meaning:
      'Requests for heads and segments (pull) that one gateway answers in a second, all of them at once if need be; further ones are answered 503 with Retry-After. A cache in front of the gateways asks far less.',
  }),
  publisherHost: setting({
    variable: 'BARRAGE_PUBLISHER_HOST',
    fallback: '127.0.0.1',
    accepts: 'an IP address or a host name, without a port',
    schema: host,
    meaning:
      'Address on which the publisher listens. Beyond loopback it needs BARRAGE_API_KEYS. Without them the all-in-one command makes a key and prints it, unless it shares a Redis or a pool.',
  }),
  publisherPort: setting({
    variable: 'BARRAGE_PUBLISHER_PORT',
    fallback: '6789',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: 'Port on which the publisher listens; 0 takes a free one.',
  }),
  adminPort: setting({
    variable: 'BARRAGE_ADMIN_PORT',
    fallback: '',
    accepts: 'empty, or 0 to 65535',
    schema: z.union([z.literal('').transform(() => undefined), whole(0, 65_535)]),
    meaning:
      "Port for /livez, /readyz, /metrics, /ops and the operator's /admin/v1, on the main port's address. Empty: the first three are on the main port, /ops too if that is on loopback, and there is no /admin/v1. This port speaks plain HTTP, also with TLS on the main port.",
  }),
  httpKeepAliveMs: setting({
    variable: 'BARRAGE_HTTP_KEEP_ALIVE_MS',
    fallback: '620000',
    accepts: '1000 to 3600000',
    schema: whole(1000, 3_600_000),
    meaning:
      'Longest idle time of an HTTP connection between two requests, on every port, in milliseconds. It must be longer than the idle time of any proxy or load balancer in front. Otherwise the proxy sends requests into connections that are being closed.',
  }),
  apiKeys: setting({
    variable: 'BARRAGE_API_KEYS',
    isSecret: true,
    fallback: '',
    accepts: 'a comma-separated list of keys of 16 to 256 printable ASCII characters',
    schema: apiKeys,
    meaning: 'Keys for the publish API; a request must present one of them. Empty: only loopback may publish.',
  }),
  ...tlsSettings,
  ...redisSettings,
  ...previousBusSettings,
  authUrl: setting({
    variable: 'BARRAGE_AUTH_URL',
    isSecret: true,
    fallback: '',
    accepts: 'http:// or https:// URL',
    schema: webUrl,
    meaning:
      'Auth webhook: gets POST {"token"}, answers 200 {"uid"}. A user and password in the URL are sent as Authorization: Basic. At most one of BARRAGE_AUTH_URL, BARRAGE_JWKS_URL and BARRAGE_JWT_SECRET may be set; without any, every token is refused.',
  }),
  jwksUrl: setting({
    variable: 'BARRAGE_JWKS_URL',
    isSecret: true,
    fallback: '',
    accepts: 'http:// or https:// URL',
    schema: webUrl,
    meaning:
      "Address of the public keys (JWKS) that check clients' tokens, which are JWTs by RS256 or ES256. A user and password in the URL are sent as Authorization: Basic.",
  }),
  jwtSecret: setting({
    variable: 'BARRAGE_JWT_SECRET',
    isSecret: true,
    fallback: '',
    accepts: 'empty, or 32 to 4096 characters',
    isVerbatim: true,
    schema: sharedSecret,
    meaning:
      "Shared secret that checks clients' tokens, which are JWTs by HS256. Its UTF-8 bytes count: they are not decoded in any way, and have no line end behind them.",
  }),
  jwtIssuer: setting({
    variable: 'BARRAGE_JWT_ISSUER',
    fallback: '',
    accepts: 'at most 1024 characters, no control characters',
    schema: claim,
    meaning: 'Value that the claim iss of a JWT must have. Empty: any value. Needs BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET.',
  }),
  jwtAudience: setting({
    variable: 'BARRAGE_JWT_AUDIENCE',
    fallback: '',
    accepts: 'at most 1024 characters, no control characters',
    schema: claim,
    meaning:
      'Value that the claim aud of a JWT must contain. Empty: any value, so a token that the same issuer made for another service is good here too. Needs BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET.',
  }),
  policyFile: setting({
    variable: 'BARRAGE_POLICY_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning: 'YAML file with the channel policies; read again when it changes.',
  }),
  poolFolder: setting({
    variable: 'BARRAGE_POOL_FOLDER',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning:
      'Folder in which an operator leaves the pool document (pool.json, signed) and its policies (policies-0.json, …). Gateways and publishers read them again when they change. It takes the place of BARRAGE_POLICY_FILE, and needs BARRAGE_POOL_PUBLIC_KEY.',
  }),
  poolPublicKey: setting({
    variable: 'BARRAGE_POOL_PUBLIC_KEY',
    isSecret: true,
    fallback: '',
    accepts: 'an Ed25519 public key in PEM (-----BEGIN PUBLIC KEY-----), line ends as such or written \\n',
    schema: publicKey,
    meaning: 'Public key that checks the signatures of pool documents and drain commands. Empty: all of them are refused.',
  }),
  podUid: setting({
    variable: 'BARRAGE_POD_UID',
    fallback: '',
    accepts: 'at most 128 characters',
    schema: z.string().max(128),
    meaning:
      "UID of the pod that this process runs in, from the downward API. Drain commands name the pod by it. An operator recognises by it the Lease of an earlier process of its own pod, and does not wait for that Lease. Empty: a gateway's name stands for it.",
  }),
  pingIntervalMs: setting({
    variable: 'BARRAGE_PING_INTERVAL_MS',
    fallback: '25000',
    accepts: '1000 to 300000',
    schema: whole(1000, 300_000),
    meaning: 'Interval at which a silent client is pinged, and is told to ping, in milliseconds.',
  }),
  idleTimeoutMs: setting({
    variable: 'BARRAGE_IDLE_TIMEOUT_MS',
    fallback: '60000',
    accepts: '2000 to 600000',
    schema: whole(2000, 600_000),
    meaning:
      'Time without anything received after which a connection is closed, in milliseconds. At least twice BARRAGE_PING_INTERVAL_MS. Of an event stream: time in which its client takes nothing of what waits for it.',
  }),
  backoffBaseMs: setting({
    variable: 'BARRAGE_BACKOFF_BASE_MS',
    fallback: '500',
    accepts: '10 to 60000',
    schema: whole(10, 60_000),
    meaning: 'Least first bound of the back-off that clients are told, in milliseconds. The bound grows with the number of connections.',
  }),
  backoffCapMs: setting({
    variable: 'BARRAGE_BACKOFF_CAP_MS',
    fallback: '20000',
    accepts: '10 to 600000',
    schema: whole(10, 600_000),
    meaning: 'Last bound of the back-off that clients are told, in milliseconds. A first bound that is longer takes its place.',
  }),
  fanOutPercent: setting({
    variable: 'BARRAGE_FAN_OUT_PERCENT',
    fallback: '60',
    accepts: '5 to 95',
    schema: whole(5, 95),
    meaning: 'Share of the event loop that fan-out may take, in percent. Beyond it merge windows stretch.',
  }),
  connectionAgeMaxSeconds: setting({
    variable: 'BARRAGE_CONNECTION_AGE_MAX_SECONDS',
    fallback: '0',
    accepts: '0, or 300 to 2592000',
    schema: z.union([whole(0, 0), whole(300, 2_592_000)]),
    meaning:
      "Greatest age of a client's connection, in seconds; 0: none. Connections that came together leave at random moments of the last quarter. barrage.v1 clients connect again without a gap; other connections are closed with 1012. At most a quarter of BARRAGE_GATEWAY_ACCEPTS_PER_SECOND go in a second (docs/placement.md).",
  }),
  drainMs: setting({
    variable: 'BARRAGE_DRAIN_MS',
    fallback: '5000',
    accepts: '0 to 86400000',
    schema: whole(0, 86_400_000),
    meaning:
      'Time after SIGTERM within which all connections are moved or closed, in milliseconds. The supervisor of the process must let it run for this time and 5 s more.',
  }),
  drainConnectionsPerSecond: setting({
    variable: 'BARRAGE_DRAIN_CONNECTIONS_PER_SECOND',
    fallback: '',
    accepts: 'empty, or 1 to 100000',
    schema: z.union([z.literal('').transform(() => undefined), whole(1, 100_000)]),
    meaning:
      'Connections that are moved or closed in a second after SIGTERM. When BARRAGE_DRAIN_MS is nearly over, the rest is closed. Empty: evenly over that time.',
  }),
  operatorName: setting({
    variable: 'BARRAGE_OPERATOR_NAME',
    fallback: hostname(),
    accepts: '1 to 253 characters',
    schema: z.string().min(1).max(253),
    meaning: 'Name of this operator process, as the holder of the Lease and the reporter of events. The default is the host name.',
  }),
  operatorNamespace: setting({
    variable: 'BARRAGE_OPERATOR_NAMESPACE',
    fallback: 'default',
    accepts: 'a namespace',
    schema: namespaceName,
    meaning: "Namespace of the operator's Lease.",
  }),
  operatorLease: setting({
    variable: 'BARRAGE_OPERATOR_LEASE',
    fallback: 'barrage-operator',
    accepts: 'a DNS name in lower case',
    schema: objectName,
    meaning: 'Name of the Lease by which operators choose a leader.',
  }),
  operatorWatchNamespaces: setting({
    variable: 'BARRAGE_OPERATOR_WATCH_NAMESPACES',
    fallback: '',
    accepts: 'a comma-separated list of namespaces',
    schema: namespaceNames,
    meaning: 'Namespaces whose pools the operator keeps. Empty: all.',
  }),
  operatorMetricsNamespaces: setting({
    variable: 'BARRAGE_OPERATOR_METRICS_NAMESPACES',
    fallback: 'metrics=enabled',
    accepts: 'a comma-separated list of labels such as metrics=enabled',
    schema: labels,
    meaning:
      'Labels of the namespaces whose pods may read the metrics of gateways and publishers, where the network enforces policies. Label the namespace of your Prometheus with them.',
  }),
  operatorApiRate: setting({
    variable: 'BARRAGE_OPERATOR_API_RATE',
    fallback: '50',
    accepts: '1 to 1000',
    schema: whole(1, 1000),
    meaning:
      'Most requests that the operator sends to the API server in a second; bursts may be twice as large. A higher rate brings large pools up sooner.',
  }),
  operatorImage: setting({
    variable: 'BARRAGE_OPERATOR_IMAGE',
    fallback: 'barrage:latest',
    accepts: 'an image reference',
    schema: z.string().regex(/^\S{1,512}$/),
    meaning: "Image of gateways and publishers, unless a pool's template names another.",
  }),
  operatorFirstPool: setting({
    variable: 'BARRAGE_OPERATOR_FIRST_POOL',
    fallback: '',
    accepts: 'empty, or namespace/name of a ConfigMap',
    schema: namespacedName,
    meaning:
      'ConfigMap that asks for a GatewayPool in its namespace, by its key pool.json with metadata (name, labels) and spec. The operator makes the pool when it begins to lead, and changes it when the ConfigMap has changed. The pool is deleted with the ConfigMap. Another pool of that name is left alone. Empty: none.',
  }),
  operatorHost: setting({
    variable: 'BARRAGE_OPERATOR_HOST',
    fallback: '::',
    accepts: 'an IP address or a host name, without a port',
    schema: host,
    meaning:
      'Address on which the operator serves its probes, metrics and operations page. It has no other endpoints. The default takes IPv6 and IPv4.',
  }),
  operatorProbePort: setting({
    variable: 'BARRAGE_OPERATOR_PROBE_PORT',
    fallback: '8081',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: "Port of the operator's /livez and /readyz.",
  }),
  operatorMetricsPort: setting({
    variable: 'BARRAGE_OPERATOR_METRICS_PORT',
    fallback: '8080',
    accepts: '0 to 65535',
    schema: whole(0, 65_535),
    meaning: "Port of the operator's /metrics and /ops.",
  }),
  trustedProxies: setting({
    variable: 'BARRAGE_TRUSTED_PROXIES',
    fallback: '',
    accepts: `a comma-separated list of at most ${limits.trustedProxiesMax} IP addresses and CIDR ranges such as 10.0.0.0/8`,
    schema: addressRanges,
    meaning:
      "Proxies and load balancers in front of gateways and publishers whose X-Forwarded-For tells a client's address, for the log. Empty: the address is that of the socket. Name only addresses that no client can connect from.",
  }),
  logLevel: setting({
    variable: 'BARRAGE_LOG_LEVEL',
    fallback: 'info',
    accepts: 'debug, info, warn, error or silent',
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
    meaning: 'Least severity that is logged. debug tells the life of each connection and each refusal: docs/logs.md.',
  }),
  ...traceSettings,
} as const;
