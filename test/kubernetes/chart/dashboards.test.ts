import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clusterTimeoutMs } from '../../support/cluster.ts';
import { rendered, type Manifest } from './helm.ts';

type ConfigMap = Manifest & { readonly data: Readonly<Record<string, string>> };

const folder = 'charts/barrage/dashboards';

async function configMaps(dashboards: object, runbooksURL = ''): Promise<readonly ConfigMap[]> {
  const objects = await rendered({ 'monitoring.dashboards': dashboards, 'monitoring.runbooksURL': runbooksURL });
  return objects.filter((object): object is ConfigMap => object.kind === 'ConfigMap');
}

function contents(objects: readonly ConfigMap[]): Readonly<Record<string, string>> {
  return Object.assign({}, ...objects.map(({ data }) => data)) as Readonly<Record<string, string>>;
}

test('dashboards are off until they are asked for', { timeout: clusterTimeoutMs }, async () => {
  expect(await configMaps({})).toEqual([]);
});

test('each dashboard is a ConfigMap for the sidecar, with links to the runbooks where people read them', async () => {
  const objects = await configMaps({ enabled: true }, 'https://pages.example/runbooks/');
  expect(objects.map(({ metadata }) => metadata.name)).toEqual(
    readdirSync(folder).map((name) => `barrage-dashboard-${name.replace('.json', '')}`),
  );
  for (const { metadata } of objects) {
    expect(metadata).toMatchObject({ namespace: 'system', labels: { grafana_dashboard: '1' } });
    expect(metadata.annotations).toBeUndefined();
  }
  for (const [name, text] of Object.entries(contents(objects))) {
    const written = readFileSync(`${folder}/${name.replace('barrage-', '')}`, 'utf8');
    expect(JSON.parse(text), name).toEqual(JSON.parse(written.replaceAll('https://runbooks.invalid', 'https://pages.example/runbooks')));
  }
});

test('without an address of the runbooks no panel has a link that leads nowhere', async () => {
  const texts = Object.values(contents(await configMaps({ enabled: true })));
  expect(texts.length).toBe(readdirSync(folder).length);
  for (const text of texts) expect(text).not.toContain('runbooks');
});

test("the sidecar's own label, folder and namespace are heeded", async () => {
  const values = { label: 'find', labelValue: 'me', labels: { team: '007' }, annotations: { grafana_folder: 'Live' }, namespace: 'charts' };
  for (const { metadata } of await configMaps({ enabled: true, ...values })) {
    expect(metadata).toMatchObject({ namespace: 'charts', labels: { find: 'me', team: '007' }, annotations: values.annotations });
    expect(metadata.labels).not.toHaveProperty('grafana_dashboard');
  }
});
