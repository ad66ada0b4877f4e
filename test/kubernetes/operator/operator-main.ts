import { createLogger } from '../../../core/process/logging.ts';
import { readSettings } from '../../../core/process/settings.ts';
import { Operator } from '../../../operator/operator.ts';

/** What a test tells the process of an operator as its argument, in JSON. */
export interface OperatorArguments {
  readonly kubeconfig: string;
  readonly adminPort: number;
  readonly name: string;
  readonly lease: string;
  readonly podUid?: string;
  readonly resyncMs?: number;
  /** Requests a second to the API server. */
  readonly apiRate?: number;
  /** Least level of its log, which the test reads. */
  readonly logLevel?: string;
  /** Further variables of its environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

/**
 * What it says of itself when it is asked: bytes (the heap's after a collection), and milliseconds of both kinds of CPU
 * time since it began.
 */
export interface OperatorUsage {
  readonly isLeader: boolean;
  readonly rss: number;
  readonly heapUsed: number;
  readonly cpuMs: number;
  /** CPU of the longest turn of the loop since the last question, and up to `sampleMs` more. */
  readonly turnMs: number;
}

const sampleMs = 20;
/** A turn that takes longer than a sample delays the next one: the CPU between the two is the turn's. */
let turnMs = 0;
let before = process.threadCpuUsage();
setInterval(() => {
  const { user, system } = process.threadCpuUsage(before);
  turnMs = Math.max(turnMs, (user + system) / 1000);
  before = process.threadCpuUsage();
}, sampleMs);

const {
  kubeconfig,
  adminPort,
  name,
  lease,
  podUid,
  apiRate,
  logLevel,
  variables = {},
  ...rest
} = JSON.parse(process.argv[2] ?? '{}') as OperatorArguments;
// The library of traces reads the environment itself.
Object.assign(process.env, variables);
const read = readSettings({
  ...variables,
  BARRAGE_OPERATOR_NAME: name,
  BARRAGE_OPERATOR_LEASE: lease,
  BARRAGE_POD_UID: podUid,
  BARRAGE_OPERATOR_IMAGE: 'barrage:test',
  BARRAGE_OPERATOR_HOST: '127.0.0.1',
  BARRAGE_OPERATOR_PROBE_PORT: '0',
  BARRAGE_OPERATOR_METRICS_PORT: '0',
  ...(apiRate === undefined ? {} : { BARRAGE_OPERATOR_API_RATE: String(apiRate) }),
  BARRAGE_LOG_LEVEL: logLevel ?? process.env['BARRAGE_TEST_LOG_LEVEL'] ?? 'silent',
});
if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
const { settings } = read;
const operator = await Operator.start({
  settings,
  logger: createLogger({ part: 'operator', level: settings.logLevel }),
  source: { kubeconfig },
  // As operator/main.ts does.
  onLost: () => process.exit(1),
  adminPort,
  ...rest,
});
process.on('message', (question) => {
  if (question === 'close') void operator.close().then(() => process.exit(0));
  else {
    const { user, system } = process.cpuUsage();
    const { rss } = process.memoryUsage();
    const longest = turnMs;
    globalThis.gc?.();
    const { heapUsed } = process.memoryUsage();
    process.send?.({ isLeader: operator.isLeader, rss, heapUsed, cpuMs: (user + system) / 1000, turnMs: longest } satisfies OperatorUsage);
    // The collection above is the question's.
    before = process.threadCpuUsage();
    turnMs = 0;
  }
});
