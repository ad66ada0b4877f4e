import { mkdirSync, writeFileSync } from 'node:fs';
import { dashboardFiles, dashboardsFolder } from './files.ts';

// Writes the chart's dashboards: `node monitoring/dashboards/generate.ts`.
const root = new URL('../../', import.meta.url);
mkdirSync(new URL(dashboardsFolder, root), { recursive: true });
for (const [path, text] of dashboardFiles()) writeFileSync(new URL(path, root), text);
