// Written by operator/api/generate.ts from crds/.
import type { Shape } from './shape.ts';

/** What the spec of each kind must be like to be read. */
export const specShapes = {
  GatewayPool: {
    type: 'object',
    properties: {
      replicas: { type: 'integer', minimum: 0, maximum: 1000 },
      paused: { type: 'boolean' },
      template: {
        type: 'object',
        properties: {
          metadata: {
            type: 'object',
            properties: {
              labels: { type: 'object', values: { type: 'string' } },
              annotations: { type: 'object', values: { type: 'string' } },
            },
          },
          spec: { type: 'object' },
        },
      },
      bus: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['Memory', 'Redis'] },
          redis: {
            type: 'object',
            required: ['mode', 'addresses'],
            properties: {
              mode: { type: 'string', enum: ['Standalone', 'Sentinel', 'Cluster'] },
              addresses: { type: 'array', items: { type: 'string' } },
              sentinelName: { type: 'string' },
              keyPrefix: { type: 'string' },
              credentialsSecret: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
              tls: {
                type: 'object',
                properties: { caSecret: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
              },
            },
          },
        },
      },
      auth: {
        type: 'object',
        properties: {
          apiKeysSecret: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
          webhookURL: { type: 'string' },
          jwksURL: { type: 'string' },
          jwtSecret: { type: 'object', required: ['name', 'key'], properties: { name: { type: 'string' }, key: { type: 'string' } } },
          jwtIssuer: { type: 'string' },
          jwtAudience: { type: 'string' },
          allowedOrigins: { type: 'array', items: { type: 'string' } },
        },
      },
      exposure: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['PodIP', 'HostPort', 'URLTemplate', 'HTTPRoute'] },
          urlTemplate: { type: 'string' },
          httpRoute: {
            type: 'object',
            required: ['parentRef', 'hostname'],
            properties: {
              hostname: { type: 'string' },
              parentRef: {
                type: 'object',
                required: ['name'],
                properties: { name: { type: 'string' }, namespace: { type: 'string' }, sectionName: { type: 'string' } },
              },
            },
          },
        },
      },
      tls: { type: 'object', required: ['secretName'], properties: { secretName: { type: 'string' } } },
      publisher: {
        type: 'object',
        properties: {
          minReplicas: { type: 'integer', minimum: 1, maximum: 1000 },
          maxReplicas: { type: 'integer', minimum: 1, maximum: 1000 },
          targetCPUUtilizationPercent: { type: 'integer', minimum: 10, maximum: 95 },
          resources: {
            type: 'object',
            properties: {
              requests: { type: 'object', values: { type: 'int-or-string', minimum: 0 } },
              limits: { type: 'object', values: { type: 'int-or-string', minimum: 0 } },
            },
          },
          template: {
            type: 'object',
            properties: {
              metadata: {
                type: 'object',
                properties: {
                  labels: { type: 'object', values: { type: 'string' } },
                  annotations: { type: 'object', values: { type: 'string' } },
                },
              },
              spec: { type: 'object' },
            },
          },
        },
      },
      scaling: {
        type: 'object',
        required: ['type'],
        properties: {
          type: { type: 'string', enum: ['Fixed', 'Connections', 'External'] },
          connections: {
            type: 'object',
            required: ['maxReplicas', 'targetConnectionsPerPod'],
            properties: {
              minReplicas: { type: 'integer', minimum: 1, maximum: 1000 },
              maxReplicas: { type: 'integer', minimum: 1, maximum: 1000 },
              targetConnectionsPerPod: { type: 'integer', minimum: 1, maximum: 1000000 },
              bufferPercent: { type: 'integer', minimum: 0, maximum: 300 },
              fallbackReplicas: { type: 'integer', minimum: 1, maximum: 1000 },
              metricsTimeoutSeconds: { type: 'integer', minimum: 5, maximum: 600 },
              scaleUp: {
                type: 'object',
                properties: {
                  stabilizationWindowSeconds: { type: 'integer', minimum: 0, maximum: 3600 },
                  maxPodsPerPeriod: { type: 'integer', minimum: 1, maximum: 1000 },
                  periodSeconds: { type: 'integer', minimum: 1, maximum: 1800 },
                },
              },
              scaleDown: {
                type: 'object',
                properties: {
                  stabilizationWindowSeconds: { type: 'integer', minimum: 0, maximum: 3600 },
                  maxPodsPerPeriod: { type: 'integer', minimum: 0, maximum: 1000 },
                  periodSeconds: { type: 'integer', minimum: 1, maximum: 1800 },
                },
              },
            },
          },
        },
      },
      placement: {
        type: 'object',
        properties: {
          algorithm: { type: 'string', enum: ['RendezvousBounded'] },
          hashSeed: { type: 'integer', minimum: 0, maximum: 2147483647 },
          maxLoadPercent: { type: 'integer', minimum: 105, maximum: 400 },
          hotChannelThresholdPercent: { type: 'integer', minimum: 5, maximum: 200 },
          maxPodsPerChannel: { type: 'integer', minimum: 1, maximum: 64 },
          rebalanceConnectionsPerSecond: { type: 'integer', minimum: 0, maximum: 100000 },
        },
      },
      maxConnectionAgeSeconds: { type: 'integer', minimum: 0, maximum: 2592000 },
      drain: {
        type: 'object',
        properties: {
          propagationSeconds: { type: 'integer', minimum: 0, maximum: 120 },
          connectionsPerSecond: { type: 'integer', minimum: 1, maximum: 100000 },
          deadlineSeconds: { type: 'integer', minimum: 10, maximum: 86400 },
          maxConcurrentPods: { type: 'int-or-string', minimum: 1, maximum: 1000 },
          abortOnDemand: { type: 'string', enum: ['Never', 'BeforeEvictionStarted', 'Always'] },
        },
      },
      disruption: {
        type: 'object',
        properties: {
          maxUnavailable: { type: 'int-or-string', minimum: 0, maximum: 1000 },
          nodeAutoscalerEviction: { type: 'string', enum: ['Allow', 'Block'] },
        },
      },
      updateStrategy: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['SurgeAndDrain', 'OnDelete'] },
          maxSurge: { type: 'int-or-string', minimum: 1, maximum: 1000 },
        },
      },
    },
  },
  BarrageChannel: {
    type: 'object',
    required: ['poolRef', 'channel'],
    properties: {
      poolRef: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
      channel: { type: 'string' },
      merge: {
        type: 'object',
        properties: {
          windowMilliseconds: { type: 'integer', minimum: 0, maximum: 1000 },
          publicationsMax: { type: 'integer', minimum: 1, maximum: 10000 },
          bytesMax: { type: 'integer', minimum: 1024, maximum: 1048576 },
        },
      },
      budget: { type: 'object', properties: { publicationsPerSecond: { type: 'integer', minimum: 1, maximum: 100000 } } },
      history: {
        type: 'object',
        properties: {
          size: { type: 'integer', minimum: 1, maximum: 100000 },
          ttlSeconds: { type: 'integer', minimum: 1, maximum: 31536000 },
          resumePublicationsMax: { type: 'integer', minimum: 0, maximum: 1000 },
          rewindOnSubscribe: { type: 'integer', minimum: 0, maximum: 1000 },
        },
      },
      idempotency: { type: 'object', properties: { windowSeconds: { type: 'integer', minimum: 0, maximum: 86400 } } },
      access: {
        type: 'object',
        properties: {
          subscribe: { type: 'string', enum: ['Public', 'Authenticated', 'Owner'] },
          publish: { type: 'string', enum: ['Backend', 'Authenticated', 'Public'] },
          slowModeSeconds: { type: 'integer', minimum: 0, maximum: 3600 },
        },
      },
      slowConsumer: {
        type: 'object',
        properties: {
          policy: { type: 'string', enum: ['DropOldest', 'Disconnect'] },
          queueBytesMax: { type: 'integer', minimum: 4096, maximum: 67108864 },
        },
      },
      limits: {
        type: 'object',
        properties: {
          publicationsPerSecond: { type: 'integer', minimum: 1, maximum: 1000000 },
          payloadBytesMax: { type: 'integer', minimum: 1, maximum: 1048576 },
          membersMax: { type: 'integer', minimum: 1, maximum: 2000000000 },
          publishHoldMs: { type: 'integer', minimum: 0, maximum: 10000 },
        },
      },
      presence: { type: 'string', enum: ['Off', 'Count', 'Members'] },
      expectedPeak: {
        type: 'object',
        required: ['connections', 'startTime'],
        properties: {
          connections: { type: 'integer', minimum: 1, maximum: 2000000000 },
          startTime: { type: 'string' },
          endTime: { type: 'string' },
        },
      },
    },
  },
} as const satisfies Record<string, Shape>;
