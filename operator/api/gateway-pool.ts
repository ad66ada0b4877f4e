// Written by operator/api/generate.ts from crds/gatewaypools.yaml.
import type { ObjectMeta } from './object-meta.ts';

/**
 * A GatewayPool is one complete realtime endpoint: gateways that hold the clients' connections, publishers that take
 * publications, and the bus between them. The operator makes and keeps the pods, Services, budgets and Secrets of it.
 */
export interface GatewayPool {
  readonly apiVersion: 'barrage.dev/v1alpha1';
  readonly kind: 'GatewayPool';
  readonly metadata: ObjectMeta;
  readonly spec: GatewayPoolSpec;
  readonly status?: GatewayPoolStatus;
}

/** What is wanted. Every field has a default; an empty spec is one gateway on a memory bus, to try things out. */
export interface GatewayPoolSpec {
  /**
   * How many gateways there are. Used when scaling.type is Fixed or External, and set by kubectl scale; ignored when
   * scaling.type is Connections, where status.desiredReplicas tells. 0 ends all gateways; publishers, Services and
   * Secrets stay.
   */
  readonly replicas: number;
  /** While true the operator changes nothing of this pool but its status; gateways and publishers go on. */
  readonly paused: boolean;
  readonly template: GatewayPoolTemplate;
  readonly bus: GatewayPoolBus;
  readonly auth: GatewayPoolAuth;
  readonly exposure: GatewayPoolExposure;
  readonly publisher: GatewayPoolPublisher;
  readonly scaling: GatewayPoolScaling;
  readonly placement: GatewayPoolPlacement;
  readonly drain: GatewayPoolDrain;
  readonly disruption: GatewayPoolDisruption;
  readonly updateStrategy: GatewayPoolUpdateStrategy;
}

/**
 * What to add to the gateways' pods, in the form of a pod template: containers are merged by name (the gateway's is
 * named barrage), maps key by key. A change replaces the gateways as updateStrategy says.
 */
export interface GatewayPoolTemplate {
  readonly metadata?: GatewayPoolTemplateMetadata;
  /**
   * Part of a pod spec (kubectl explain pod.spec). It is checked when the pod is made: the condition Ready tells what
   * is wrong with it.
   */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Labels and annotations to add to the pods. */
export interface GatewayPoolTemplateMetadata {
  /** Labels to add. Those that the operator sets itself stay as they are, and none below barrage.dev/ is added. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations to add, but for those below barrage.dev/, which are the operator's own. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Where publications travel from publishers to gateways. */
export interface GatewayPoolBus {
  /**
   * Redis joins any number of gateways and publishers. Memory needs nothing and joins nothing: one pod is gateway and
   * publisher at once, for trying out.
   */
  readonly type: 'Memory' | 'Redis';
  readonly redis?: GatewayPoolBusRedis;
}

/** The Redis that carries the publications. */
export interface GatewayPoolBusRedis {
  /** How Redis runs: one server (Standalone), watched by Sentinels, or as a Cluster. */
  readonly mode: 'Standalone' | 'Sentinel' | 'Cluster';
  /** Where it is, as host:port: the server (Standalone), the Sentinels, or some of the cluster's nodes. */
  readonly addresses: readonly string[];
  /** The name by which the Sentinels know the servers. */
  readonly sentinelName?: string;
  /**
   * Beginning of every Redis key and channel of this pool, so that pools can share one Redis. Default:
   * <namespace>/<pool>.
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

/** Connect by TLS. An empty object trusts the usual authorities. */
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
   * Asked about each client's token: gets POST {"token"} and answers 200 {"uid"}. Without it and without JWT settings
   * every token is refused.
   */
  readonly webhookURL?: string;
  /** Where the public keys are (JWKS) that clients' tokens (JWT by RS256 or ES256) are checked with. */
  readonly jwksURL?: string;
  readonly jwtSecret?: GatewayPoolAuthJwtSecret;
  /** The claim iss that a JWT must have. Default: any. */
  readonly jwtIssuer?: string;
  /**
   * What the claim aud of a JWT must contain. Default: anything, so a token that the same issuer made for another
   * service is good here too.
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
 * Secret in the pool's namespace; each value is a key that backends present to publish, of at least 16 characters.
 * Default: a Secret <pool>-api-key with one key, made by the operator.
 */
export interface GatewayPoolAuthApiKeysSecret {
  /** Name of the Secret. */
  readonly name: string;
}

/**
 * Secret in the pool's namespace with the shared key, text of at least 32 characters, that clients' tokens (JWT by
 * HS256) are checked with.
 */
export interface GatewayPoolAuthJwtSecret {
  /** Name of the Secret. */
  readonly name: string;
  /** Key in the Secret. */
  readonly key: string;
}

/**
 * How a client reaches one particular gateway, which placement and draining tell it to. All gateways together are
 * reached through the Service <pool> in any case.
 */
export interface GatewayPoolExposure {
  /**
   * PodIP: by the pod's address, for clients in the cluster's network. HostPort: by the node's address and the
   * gateway's port, one gateway to a node. URLTemplate: by a URL made from urlTemplate, where a load balancer knows the
   * pods. HTTPRoute: by a Service and an HTTPRoute for each gateway, made by the operator.
   */
  readonly type: 'PodIP' | 'HostPort' | 'URLTemplate' | 'HTTPRoute';
  /** URL of one gateway, where {pod} stands for the pod's name, such as wss://{pod}.live.example.com/. */
  readonly urlTemplate?: string;
  readonly httpRoute?: GatewayPoolExposureHttpRoute;
}

/** The HTTPRoutes that the operator makes. */
export interface GatewayPoolExposureHttpRoute {
  /** Host name of the endpoint, such as live.example.com. A gateway is reached by TLS at <hostname>/<pod>/. */
  readonly hostname: string;
  readonly parentRef: GatewayPoolExposureHttpRouteParentRef;
}

/** The Gateway (gateway.networking.k8s.io) that the routes attach to. */
export interface GatewayPoolExposureHttpRouteParentRef {
  /** Name of the Gateway. */
  readonly name: string;
  /** Its namespace. Default: the pool's. */
  readonly namespace?: string;
  /** Its listener. Default: all that fit. */
  readonly sectionName?: string;
}

/**
 * The publishers, which take publications from backends over HTTP and WebSocket. Their number follows their CPU use.
 */
export interface GatewayPoolPublisher {
  /** Fewest publishers. */
  readonly minReplicas: number;
  /** Most publishers. */
  readonly maxReplicas: number;
  /** CPU use, in percent of what is requested, that the number of publishers is kept at. */
  readonly targetCPUUtilizationPercent: number;
  readonly resources?: GatewayPoolPublisherResources;
  readonly template: GatewayPoolPublisherTemplate;
}

/** What one publisher requests and is limited to. Default: a modest request, no CPU limit. */
export interface GatewayPoolPublisherResources {
  /** What a node must have free for it, by name of the resource: cpu, memory. */
  readonly requests?: Readonly<Record<string, number | string>>;
  /** What it may use at most, by name of the resource: cpu, memory. */
  readonly limits?: Readonly<Record<string, number | string>>;
}

/** What to add to the publishers' pods, in the form of a pod template. The publisher's container is named barrage. */
export interface GatewayPoolPublisherTemplate {
  readonly metadata?: GatewayPoolPublisherTemplateMetadata;
  /**
   * Part of a pod spec (kubectl explain pod.spec). It is checked when the pod is made: the condition Ready tells what
   * is wrong with it.
   */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** Labels and annotations to add to the pods. */
export interface GatewayPoolPublisherTemplateMetadata {
  /** Labels to add. Those that the operator sets itself stay as they are, and none below barrage.dev/ is added. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Annotations to add, but for those below barrage.dev/, which are the operator's own. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What decides how many gateways there are. */
export interface GatewayPoolScaling {
  /**
   * Fixed: spec.replicas. Connections: as many as the clients' connections need. External: spec.replicas, which another
   * autoscaler sets by the scale subresource.
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
  /** Connections that one gateway is meant to hold. */
  readonly targetConnectionsPerPod: number;
  /** Spare gateways on top, in percent. */
  readonly bufferPercent: number;
  /**
   * Gateways to have at least while the gateways' figures are stale; the number never goes down then. Default:
   * minReplicas.
   */
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
  /**
   * Load that a gateway may have, in percent of the mean; above it channels are placed elsewhere. Not in effect yet.
   */
  readonly maxLoadPercent: number;
  /**
   * A channel with more load than this, in percent of a mean gateway, is spread over several gateways. Not in effect
   * yet.
   */
  readonly hotChannelThresholdPercent: number;
  /** Most gateways that one hot channel is spread over. Not in effect yet. */
  readonly maxPodsPerChannel: number;
  /** Connections a second that may be moved to even the load out; 0 moves none. Not in effect yet. */
  readonly rebalanceConnectionsPerSecond: number;
}

/**
 * How a gateway that is to go gives up its connections: it takes no new ones, waits until everybody knows, moves its
 * clients to other gateways at a set rate, and is deleted when it is empty or at the deadline.
 */
export interface GatewayPoolDrain {
  /** Time between taking a gateway out of its Services and moving its first client, for load balancers to notice. */
  readonly propagationSeconds: number;
  /** Connections a second that one draining gateway gives up. */
  readonly connectionsPerSecond: number;
  /**
   * Longest time for the whole drain; what is connected then is closed. With propagationSeconds and 30 it is the pods'
   * termination grace period.
   */
  readonly deadlineSeconds: number;
  /**
   * Most gateways that drain at the same time, as a number or in percent of the gateways that there are, rounded up.
   */
  readonly maxConcurrentPods: number | string;
  /**
   * Whether a drain is called off when the gateway is needed after all: Never, only before its first client was moved
   * (BeforeEvictionStarted), or Always.
   */
  readonly abortOnDemand: 'Never' | 'BeforeEvictionStarted' | 'Always';
}

/** What others, such as node upgrades and cluster autoscalers, may do to the gateways. */
export interface GatewayPoolDisruption {
  /**
   * Most gateways that may be evicted at the same time, as a number or in percent of the gateways. 0 allows no
   * eviction: it holds up node upgrades.
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

/** What the operator saw last. Written by the operator only. */
export interface GatewayPoolStatus {
  /** Generation of the spec that this status is about. */
  readonly observedGeneration?: number;
  /** Label selector of the gateways' pods, for autoscalers. */
  readonly selector?: string;
  /** How many gateways there are. */
  readonly replicas?: number;
  /** How many gateways the operator wants. */
  readonly desiredReplicas?: number;
  /** How many gateways take clients. */
  readonly readyReplicas?: number;
  /** How many gateways have the newest template. */
  readonly updatedReplicas?: number;
  /** How many gateways are giving up their connections. */
  readonly drainingReplicas?: number;
  /** Revision that all gateways had when the last replacement was complete. */
  readonly currentRevision?: string;
  /** Revision that the newest template makes. */
  readonly updateRevision?: string;
  /** Number of the pool document in force; it grows with each change of gateways, policies or placement. */
  readonly placementEpoch?: number;
  /** When the desired number of gateways changed last. */
  readonly lastScaleTime?: string;
  /** What is so and what is not, each with a reason and a message that says what to do. */
  readonly conditions?: readonly GatewayPoolStatusCondition[];
}

export interface GatewayPoolStatusCondition {
  /** What it is about, such as Ready. */
  readonly type: string;
  /** Whether it is so. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Generation of the spec that it is about. */
  readonly observedGeneration?: number;
  /** When status changed last. */
  readonly lastTransitionTime: string;
  /** Why, in one word for programs. */
  readonly reason: string;
  /** Why, in words for people. */
  readonly message: string;
}
