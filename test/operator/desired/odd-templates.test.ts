import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GatewayPoolTemplate } from '../../../operator/api/gateway-pool.ts';
import { gatewayPod, gatewayRevision, gatewayTemplate } from '../../../operator/desired/gateway-pod.ts';
import type { JsonObject } from '../../../operator/desired/objects.ts';
import { overruled } from '../../../operator/desired/overlay.ts';
import { restrictedBreaches } from '../../../operator/desired/pod-security.ts';
import { publisherDeployment } from '../../../operator/desired/publisher.ts';
import { ingredientsWith } from './ingredients.ts';

/**
 * The fields that the operator looks into, with anything in them: the API server stores what a template holds without a
 * look at it.
 */
const anything = fc.jsonValue({ maxDepth: 2 });
const container = fc.oneof(
  anything,
  fc.record(
    {
      name: fc.oneof(fc.constant('barrage'), anything),
      env: fc.oneof(anything, fc.array(fc.oneof(anything, fc.record({ name: anything })))),
      args: anything,
      ports: anything,
      securityContext: fc.oneof(anything, fc.record({ capabilities: anything, seccompProfile: anything }, { requiredKeys: [] })),
    },
    { requiredKeys: [] },
  ),
);
const spec = fc.oneof(
  anything,
  fc.record(
    {
      containers: fc.oneof(anything, fc.array(container)),
      initContainers: fc.oneof(anything, fc.array(container)),
      volumes: fc.oneof(anything, fc.array(anything)),
      securityContext: anything,
      topologySpreadConstraints: anything,
    },
    { requiredKeys: [] },
  ),
);

test('whatever a template holds, pods and their revision can be made of it: what is wrong is left for the API server to refuse', () => {
  fc.assert(
    fc.property(spec, (odd) => {
      const template = { spec: odd } as unknown as GatewayPoolTemplate;
      const ingredients = ingredientsWith({ template, publisher: { ...ingredientsWith().pool.spec.publisher, template } });
      const { spec: made } = gatewayTemplate(ingredients);
      expect(gatewayRevision(ingredients)).toMatch(/^[0-9a-f]+$/);
      gatewayPod(ingredients, 'web-1');
      restrictedBreaches(made);
      overruled(template as JsonObject, gatewayTemplate(ingredients));
      const publisher = publisherDeployment(ingredients);
      restrictedBreaches((publisher?.spec?.['template'] as { spec: object } | undefined)?.spec as never);
    }),
    { numRuns: 2000 },
  );
});

test('what is of a wrong type is not lost on the way', () => {
  for (const odd of ['hello', 7, { name: 'barrage' }])
    expect(gatewayTemplate(ingredientsWith({ template: { spec: { containers: odd } } as never })).spec['containers']).toEqual(odd);
});
