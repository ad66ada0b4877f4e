// Written by operator/api/generate.ts from crds/.
import type { Defaults } from './defaulting.ts';

/** What the API server fills in where a field is absent; `{}` is a field without a default. */
export const defaults = {
  GatewayPool: {
    properties: {
      apiVersion: {},
      kind: {},
      metadata: {},
      spec: {
        properties: {
          replicas: { default: 1 },
          paused: { default: false },
          template: {
            default: {},
            properties: { metadata: { properties: { labels: { values: {} }, annotations: { values: {} } } }, spec: {} },
          },
          bus: {
            default: { type: 'Memory' },
            properties: {
              type: { default: 'Redis' },
              redis: {
                properties: {
                  mode: {},
                  addresses: { items: {} },
                  sentinelName: {},
                  keyPrefix: {},
                  credentialsSecret: { properties: { name: {} } },
                  tls: { properties: { caSecret: { properties: { name: {} } } } },
                },
              },
            },
          },
          auth: {
            default: {},
            properties: {
              apiKeysSecret: { properties: { name: {} } },
              webhookURL: {},
              jwksURL: {},
              jwtSecret: { properties: { name: {}, key: {} } },
              jwtIssuer: {},
              jwtAudience: {},
              allowedOrigins: { items: {} },
            },
          },
          exposure: {
            default: { type: 'PodIP' },
            properties: {
              type: { default: 'PodIP' },
              urlTemplate: {},
              httpRoute: { properties: { hostname: {}, parentRef: { properties: { name: {}, namespace: {}, sectionName: {} } } } },
            },
          },
          tls: { properties: { secretName: {} } },
          publisher: {
            default: { minReplicas: 2, maxReplicas: 10 },
            properties: {
              minReplicas: { default: 2 },
              maxReplicas: { default: 10 },
              targetCPUUtilizationPercent: { default: 60 },
              resources: { properties: { requests: { values: {} }, limits: { values: {} } } },
              template: {
                default: {},
                properties: { metadata: { properties: { labels: { values: {} }, annotations: { values: {} } } }, spec: {} },
              },
            },
          },
          scaling: {
            default: { type: 'Fixed' },
            properties: {
              type: {},
              connections: {
                properties: {
                  minReplicas: { default: 1 },
                  maxReplicas: {},
                  targetConnectionsPerPod: {},
                  bufferPercent: { default: 20 },
                  fallbackReplicas: {},
                  metricsTimeoutSeconds: { default: 60 },
                  scaleUp: {
                    default: {},
                    properties: {
                      stabilizationWindowSeconds: { default: 0 },
                      maxPodsPerPeriod: { default: 10 },
                      periodSeconds: { default: 30 },
                    },
                  },
                  scaleDown: {
                    default: {},
                    properties: {
                      stabilizationWindowSeconds: { default: 300 },
                      maxPodsPerPeriod: { default: 1 },
                      periodSeconds: { default: 60 },
                    },
                  },
                },
              },
            },
          },
          placement: {
            default: { maxLoadPercent: 125, hotChannelThresholdPercent: 50, hashSeed: 0 },
            properties: {
              algorithm: { default: 'RendezvousBounded' },
              hashSeed: { default: 0 },
              maxLoadPercent: { default: 125 },
              hotChannelThresholdPercent: { default: 50 },
              maxPodsPerChannel: { default: 16 },
              rebalanceConnectionsPerSecond: { default: 100 },
            },
          },
          maxConnectionAgeSeconds: { default: 0 },
          drain: {
            default: { propagationSeconds: 10, deadlineSeconds: 540 },
            properties: {
              propagationSeconds: { default: 10 },
              connectionsPerSecond: { default: 200 },
              deadlineSeconds: { default: 540 },
              maxConcurrentPods: { default: 1 },
              abortOnDemand: { default: 'BeforeEvictionStarted' },
            },
          },
          disruption: { default: {}, properties: { maxUnavailable: { default: 1 }, nodeAutoscalerEviction: { default: 'Allow' } } },
          updateStrategy: { default: {}, properties: { type: { default: 'SurgeAndDrain' }, maxSurge: { default: '25%' } } },
        },
      },
      status: {
        properties: {
          observedGeneration: {},
          selector: {},
          replicas: {},
          desiredReplicas: {},
          readyReplicas: {},
          updatedReplicas: {},
          drainingReplicas: {},
          currentRevision: {},
          updateRevision: {},
          placementEpoch: {},
          lastScaleTime: {},
          conditions: {
            items: { properties: { type: {}, status: {}, observedGeneration: {}, lastTransitionTime: {}, reason: {}, message: {} } },
          },
        },
      },
    },
  },
  BarrageChannel: {
    properties: {
      apiVersion: {},
      kind: {},
      metadata: {},
      spec: {
        properties: {
          poolRef: { properties: { name: {} } },
          channel: {},
          merge: {
            default: {},
            properties: { windowMilliseconds: { default: 100 }, publicationsMax: { default: 500 }, bytesMax: { default: 65536 } },
          },
          budget: { default: {}, properties: { publicationsPerSecond: {} } },
          history: {
            properties: {
              size: { default: 100 },
              ttlSeconds: { default: 300 },
              resumePublicationsMax: { default: 300 },
              rewindOnSubscribe: { default: 0 },
            },
          },
          idempotency: { default: {}, properties: { windowSeconds: { default: 300 } } },
          access: {
            default: {},
            properties: { subscribe: { default: 'Public' }, publish: { default: 'Backend' }, slowModeSeconds: { default: 0 } },
          },
          slowConsumer: { default: {}, properties: { policy: { default: 'DropOldest' }, queueBytesMax: { default: 1048576 } } },
          limits: {
            default: {},
            properties: { publicationsPerSecond: {}, payloadBytesMax: { default: 65536 }, membersMax: {}, publishHoldMs: { default: 0 } },
          },
          presence: { default: 'Count' },
          expectedPeak: { properties: { connections: {}, startTime: {}, endTime: {} } },
        },
      },
      status: {
        properties: {
          observedGeneration: {},
          conditions: {
            items: { properties: { type: {}, status: {}, observedGeneration: {}, lastTransitionTime: {}, reason: {}, message: {} } },
          },
        },
      },
    },
  },
} as const satisfies Record<string, Defaults>;
