import { parse } from 'yaml';
import { bounds } from '../bounds.ts';
import { CommandFault, wordsOf } from '../fault.ts';
import { explain, explanationLines } from '../view/explanation.ts';
import { readPool } from '../view/observation.ts';
import { standInGateway } from '../view/stand-in-gateway.ts';
import { show, type Context } from './context.ts';
import { readBytes } from './files.ts';
import type { GatewayPool } from '../../operator/api/gateway-pool.ts';

export interface ExplainOptions {
  /** A file with a GatewayPool, where there is no Kubernetes to ask. */
  readonly spec?: string;
}

/** `explain POOL`: why this size, what it waits for, what twice the connections would need. */
export async function explainPool(context: Context, name: string | undefined, { spec }: ExplainOptions): Promise<void> {
  const { place, now } = context;
  if (place.kind === 'cluster') {
    const pool = await place.pool(name);
    const explanation = explain({ pool, readings: await place.readings(pool, now), now: now() });
    return show(context, explanation, () => explanationLines(explanation));
  }
  if (spec === undefined)
    throw new CommandFault(
      'usage',
      'without Kubernetes nothing scales. With --spec POOL.yaml this tells how large that GatewayPool would be under the load of --url',
    );
  const pool = await poolFile(spec);
  const readings = (await place.readings(now)).map((reading) => ({ ...reading, observed: standInGateway(reading) }));
  const explanation = explain({ pool: { ...pool, status: { desiredReplicas: readings.length, conditions: [] } }, readings, now: now() });
  const told = { ...explanation, waitsFor: [] };
  await show(context, told, () => explanationLines(told));
}

async function poolFile(path: string): Promise<GatewayPool> {
  const text = (await readBytes(path, bounds.secretBytesMax)).toString();
  let object: unknown;
  try {
    object = parse(text);
  } catch (error) {
    throw new CommandFault('usage', `${path} is no YAML: ${wordsOf(error)}`, { cause: error });
  }
  const { kind, metadata } = (object ?? {}) as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } };
  if (typeof object !== 'object' || object === null || kind !== 'GatewayPool')
    throw new CommandFault('usage', `${path} holds no GatewayPool`);
  const pool = readPool(object);
  return {
    ...pool,
    metadata: {
      ...pool.metadata,
      namespace: pool.metadata.namespace ?? 'file',
      name: typeof metadata?.name === 'string' ? metadata.name : path,
    },
  };
}
