import { channel } from './channel.ts';
import { gateways } from './gateways.ts';
import { grafanaDashboard } from './grafana.ts';
import { operator } from './operator.ts';
import { overview } from './overview.ts';
import type { Dashboard } from './panel.ts';
import { publishers } from './publishers.ts';

export const dashboards: readonly Dashboard[] = [overview, gateways, publishers, operator, channel];

/** Folder of the chart that holds the dashboards. */
export const dashboardsFolder = 'charts/barrage/dashboards';

/** The files of the chart's dashboards: path from the repository's root, and text. */
export function dashboardFiles(): readonly (readonly [path: string, text: string])[] {
  return dashboards.map((dashboard) => [
    `${dashboardsFolder}/${dashboard.name}.json`,
    `${JSON.stringify(grafanaDashboard(dashboard), inTheOpen, 2)}\n`,
  ]);
}

/** Leaves out the SDK's default place of links, a menu: a link belongs where it is seen. */
function inTheOpen(key: string, value: unknown): unknown {
  return key === 'placement' && value === 'inControlsMenu' ? undefined : value;
}
