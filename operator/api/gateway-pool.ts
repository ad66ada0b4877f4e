// Written by operator/api/generate.ts from crds/gatewaypools.yaml.
import type { GatewayPoolStatus } from './gateway-pool-status.ts';
import type { ObjectMeta } from './object-meta.ts';

/**
 * A GatewayPool is one complete realtime endpoint: gateways that hold the clients' connections, publishers that take
 * publications, and the bus between them. The operator creates its pods, Services, budgets and Secrets, and keeps
 * them as the spec says.
 */
export interface GatewayPool {
  readonly apiVersion: 'barrage.dev/v1alpha1';
  readonly kind: 'GatewayPool';
  readonly metadata: ObjectMeta;
  readonly spec: GatewayPoolSpec;
  readonly status?: GatewayPoolStatus;
}

/** Desired state. Every field has a default. An empty spec is one gateway on a memory bus, to try things out. */
export interface GatewayPoolSpec {
  /**
   * Number of gateways, if scaling.type is Fixed or External; kubectl scale sets it. With Connections it is ignored:
   * see status.desiredReplicas. 0 ends all gateways; publishers, Services and Secrets stay.
   */
  readonly replicas: number;
  /** While true the operator changes only the status of this pool. Gateways and publishers go on. */
  readonly paused: boolean;
  readonly template: GatewayPoolTemplate;
  readonly bus: GatewayPoolBus;
  readonly auth: GatewayPoolAuth;
  readonly exposure: GatewayPoolExposure;
  readonly tls?: GatewayPoolTls;
  readonly publisher: GatewayPoolPublisher;
  readonly scaling: GatewayPoolScaling;
  readonly placement: GatewayPoolPlacement;
  /**
   * Greatest age of a client's connection; 0 is none. Clients connect again at random moments of its last quarter, so
   * new certificates, DNS entries and backends of a balancer reach all of them. Clients of ours notice nothing; others
   * are closed with 1012. A change replaces the gateways as updateStrategy says.
   */
  readonly maxConnectionAgeSeconds: number;
  readonly drain: GatewayPoolDrain;
  readonly disruption: GatewayPoolDisruption;
  readonly updateStrategy: GatewayPoolUpdateStrategy;
}

/**
 * Additions to the gateways' pods, in the form of a pod template. Containers are merged by name (the gateway's is
 * named barrage), maps key by key. A change replaces the gateways as updateStrategy says.
 */
export interface GatewayPoolTemplate {
  readonly metadata?: GatewayPoolTemplateMetadata;
  /**
   * Part of a pod spec (kubectl explain pod.spec). The API server checks it when a pod is created; the condition Ready
   * has its faults.
   */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Labels and annotations to add to the pods. */
export interface GatewayPoolTemplateMetadata {
  /** Labels to add. The operator's own labels stay as they are, and labels below barrage.dev/ are ignored. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations to add. Annotations below barrage.dev/ are ignored. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The way of publications from publishers to gateways. */
export interface GatewayPoolBus {
  /**
   * Redis joins any number of gateways and publishers. Memory is for trying out: one pod is gateway and publisher at
   * once.
   */
  readonly type: 'Memory' | 'Redis';
  readonly redis?: GatewayPoolBusRedis;
}

/** The Redis that carries the publications. */
export interface GatewayPoolBusRedis {
  /** How Redis runs: one server (Standalone), watched by Sentinels, or as a Cluster. */
  readonly mode: 'Standalone' | 'Sentinel' | 'Cluster';
  /** Addresses as host:port: the server (Standalone), the Sentinels, or some of the cluster's nodes. */
  readonly addresses: readonly string[];
  /** The name by which the Sentinels know the servers. */
  readonly sentinelName?: string;
  /**
   * Prefix of every Redis key and channel of this pool, so that pools can share one Redis. Default: <namespace>/<pool>.
   */
  readonly keyPrefix?: string;
  readonly credentialsSecret?: GatewayPoolBusRedisCredentialsSecret;
  readonly tls?: GatewayPoolBusRedisTls;
}

/** Secret in the pool's namespace with the keys password and, optionally, username. */
export interface GatewayPoolBusRedisCredentialsSecret {
  /** Name of the Secret. */
  readonly name: string;
}

/** Connect by TLS. An empty object trusts the public authorities. */
export interface GatewayPoolBusRedisTls {
  readonly caSecret?: GatewayPoolBusRedisTlsCaSecret;
}

/** Secret in the pool's namespace whose key ca.crt holds the authority to trust (PEM). */
export interface GatewayPoolBusRedisTlsCaSecret {
  /** Name of the Secret. */
  readonly name: string;
}

/** Who may publish and who may connect. */
export interface GatewayPoolAuth {
  readonly apiKeysSecret?: GatewayPoolAuthApiKeysSecret;
  /**
   * Webhook that checks each client's token: it gets POST {"token"} and answers 200 {"uid"}. Without a webhook and JWT
   * settings every token is refused.
   */
  readonly webhookURL?: string;
  /** URL of the public keys (JWKS) for clients' tokens (JWT by RS256 or ES256). */
  readonly jwksURL?: string;
  readonly jwtSecret?: GatewayPoolAuthJwtSecret;
  /** Required claim iss of a JWT. Default: any. */
  readonly jwtIssuer?: string;
  /**
   * Required value in the claim aud of a JWT. Default: any, so the same issuer's tokens for other services are valid
   * here too.
   */
  readonly jwtAudience?: string;
  /**
   * Web origins whose pages may connect, such as https://example.com, capacitor://localhost, or null for pages without
   * one; * for all. A list is all: it has the origin of the gateway's own host too, where pages come from there.
   * Default: only pages from the gateway's own host.
   */
  readonly allowedOrigins?: readonly string[];
}

/**
 * Secret in the pool's namespace. Each value is a key with which backends publish, of at least 16 characters.
 * Default: a Secret <pool>-api-key with one key, which the operator creates.
 */
export interface GatewayPoolAuthApiKeysSecret {
  /** Name of the Secret. */
  readonly name: string;
}

/**
 * Secret in the pool's namespace with the shared key for clients' tokens (JWT by HS256), a text of at least 32
 * characters.
 */
export interface GatewayPoolAuthJwtSecret {
  /** Name of the Secret. */
  readonly name: string;
  /** Key in the Secret. */
  readonly key: string;
}

/**
 * How a client reaches a particular gateway, as placement and draining ask for. The Service <pool> leads to any
 * gateway in any case.
 */
export interface GatewayPoolExposure {
  /**
   * PodIP: by the pod's address, for clients in the cluster's network. HostPort: by the node's address and the
   * gateway's port, one gateway to a node. URLTemplate: by a URL from urlTemplate, behind a load balancer that knows
   * the pods. HTTPRoute: by a Service and an HTTPRoute for each gateway, which the operator creates.
   */
  readonly type: 'PodIP' | 'HostPort' | 'URLTemplate' | 'HTTPRoute';
  /** URL of one gateway, where {pod} stands for the pod's name, such as wss://{pod}.live.example.com/. */
  readonly urlTemplate?: string;
  readonly httpRoute?: GatewayPoolExposureHttpRoute;
}

/** The HTTPRoutes that the operator creates. */
export interface GatewayPoolExposureHttpRoute {
  /** Host name of the endpoint, such as live.example.com. A gateway has the URL wss://<hostname>/<pod>/. */
  readonly hostname: string;
  readonly parentRef: GatewayPoolExposureHttpRouteParentRef;
}

/** The Gateway (gateway.networking.k8s.io) that the routes attach to. */
export interface GatewayPoolExposureHttpRouteParentRef {
  /** Name of the Gateway. */
  readonly name: string;
  /** Its namespace. Default: the pool's. */
  readonly namespace?: string;
  /** Its listener. Default: all that match. */
  readonly sectionName?: string;
}

/** Gateways and publishers end TLS themselves. Absent, TLS ends in front of them. */
export interface GatewayPoolTls {
  /** Secret of the type kubernetes.io/tls. Pods read a changed one without a restart. */
  readonly secretName: string;
}

/**
 * The publishers, which take publications from backends over HTTP and WebSocket. Their number follows their CPU use.
 */
export interface GatewayPoolPublisher {
  /** Fewest publishers. */
  readonly minReplicas: number;
  /** Most publishers. */
  readonly maxReplicas: number;
  /** Target CPU use of the publishers, in percent of their request. */
  readonly targetCPUUtilizationPercent: number;
  readonly resources?: GatewayPoolPublisherResources;
  readonly template: GatewayPoolPublisherTemplate;
}

/** Requests and limits of one publisher. Default: a modest request, no CPU limit. */
export interface GatewayPoolPublisherResources {
  /** Requests by the name of the resource: cpu, memory. */
  readonly requests?: Readonly<Record<string, number | string>>;
  /** Limits by the name of the resource: cpu, memory. */
  readonly limits?: Readonly<Record<string, number | string>>;
}

/** Additions to the publishers' pods, in the form of a pod template. The publisher's container is named barrage. */
export interface GatewayPoolPublisherTemplate {
  readonly metadata?: GatewayPoolPublisherTemplateMetadata;
  /**
   * Part of a pod spec (kubectl explain pod.spec). The API server checks it when a pod is created; the condition Ready
   * has its faults.
   */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Labels and annotations to add to the pods. */
export interface GatewayPoolPublisherTemplateMetadata {
  /** Labels to add. The operator's own labels stay as they are, and labels below barrage.dev/ are ignored. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations to add. Annotations below barrage.dev/ are ignored. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** How the number of gateways is decided. */
export interface GatewayPoolScaling {
  /**
   * Fixed: spec.replicas. Connections: as many as the clients' connections need. External: spec.replicas, set by
   * another autoscaler through the scale subresource.
   */
  readonly type: 'Fixed' | 'Connections' | 'External';
  readonly connections?: GatewayPoolScalingConnections;
}

/**
 * Scaling by connections: gateways = connections / targetConnectionsPerPod, plus bufferPercent, within the limits.
 */
export interface GatewayPoolScalingConnections {
  /** Fewest gateways. */
  readonly minReplicas: number;
  /** Most gateways. */
  readonly maxReplicas: number;
  /**
   * Connections that one gateway is meant to hold. It accepts twice as many, at least 20000 (with spec.tls 8000) and at
   * most 200000.
   */
  readonly targetConnectionsPerPod: number;
  /** Spare gateways on top, in percent. */
  readonly bufferPercent: number;
  /** Fewest gateways while the gateways' figures are stale; the number never goes down then. Default: minReplicas. */
  readonly fallbackReplicas?: number;
  /** After this time a gateway's figures are stale. */
  readonly metricsTimeoutSeconds: number;
  readonly scaleUp: GatewayPoolScalingConnectionsScaleUp;
  readonly scaleDown: GatewayPoolScalingConnectionsScaleDown;
}

/** How fast the number of gateways goes up. */
export interface GatewayPoolScalingConnectionsScaleUp {
  /** How long the need must have lasted before a gateway is added. */
  readonly stabilizationWindowSeconds: number;
  /** Most gateways to add within periodSeconds. */
  readonly maxPodsPerPeriod: number;
  /** The time that maxPodsPerPeriod counts over. */
  readonly periodSeconds: number;
}

/** How fast the number of gateways goes down. */
export interface GatewayPoolScalingConnectionsScaleDown {
  /** How long fewer gateways must have been enough before one is taken away. */
  readonly stabilizationWindowSeconds: number;
  /** Most gateways to take away within periodSeconds; 0 never takes one away. */
  readonly maxPodsPerPeriod: number;
  /** The time that maxPodsPerPeriod counts over. */
  readonly periodSeconds: number;
}

/** Which gateway serves which channel. */
export interface GatewayPoolPlacement {
  /**
   * RendezvousBounded: a weighted rendezvous hash, with exceptions for hot channels and for gateways above
   * maxLoadPercent.
   */
  readonly algorithm: 'RendezvousBounded';
  /** Makes this pool's placement differ from another's. It can't be changed. */
  readonly hashSeed: number;
  /** Highest load of a gateway, in percent of the mean; above it channels are placed elsewhere. Not in effect yet. */
  readonly maxLoadPercent: number;
  /**
   * A channel with more load than this, in percent of a mean gateway, is spread over several gateways. Not in effect
   * yet.
   */
  readonly hotChannelThresholdPercent: number;
  /** Most gateways that one hot channel is spread over. Not in effect yet. */
  readonly maxPodsPerChannel: number;
  /** Connections a second that may move to even out the load; 0 moves none. Not in effect yet. */
  readonly rebalanceConnectionsPerSecond: number;
}

/**
 * How a leaving gateway gives up its connections. It takes no new ones, waits until load balancers know, and moves
 * its clients to other gateways at a set rate. It is deleted when it is empty or at the deadline.
 */
export interface GatewayPoolDrain {
  /** Time between taking a gateway out of its Services and moving its first client, for load balancers to notice. */
  readonly propagationSeconds: number;
  /** Connections a second that one draining gateway gives up. */
  readonly connectionsPerSecond: number;
  /**
   * Longest time for the whole drain; the remaining connections are then closed. Plus propagationSeconds and 30 it is
   * the pods' termination grace period.
   */
  readonly deadlineSeconds: number;
  /** Most gateways that drain at the same time, as a number or in percent of the present gateways, rounded up. */
  readonly maxConcurrentPods: number | string;
  /**
   * Whether a drain is aborted when the gateway is needed again: Never, only before its first client has moved
   * (BeforeEvictionStarted), or Always.
   */
  readonly abortOnDemand: 'Never' | 'BeforeEvictionStarted' | 'Always';
}

/** Limits for others that remove gateways, such as node upgrades and cluster autoscalers. */
export interface GatewayPoolDisruption {
  /**
   * Most gateways that may be evicted at the same time, as a number or in percent of the gateways. 0 allows no
   * eviction, and so blocks node upgrades.
   */
  readonly maxUnavailable: number | string;
  /** Whether a cluster autoscaler may remove a node that a gateway runs on (Allow), or not (Block). */
  readonly nodeAutoscalerEviction: 'Allow' | 'Block';
}

/** How gateways are replaced when their template changes. */
export interface GatewayPoolUpdateStrategy {
  /**
   * SurgeAndDrain: new gateways first, then the old ones drain. OnDelete: a gateway is replaced when somebody deletes
   * it.
   */
  readonly type: 'SurgeAndDrain' | 'OnDelete';
  /**
   * Most gateways beyond the desired number while they are replaced, as a number or in percent of the desired number.
   */
  readonly maxSurge: number | string;
}
