import { mkdirSync, writeFileSync } from 'node:fs';
import { alertFiles } from './files.ts';

// Writes the rules and docs/alerts.md from the alerts in this folder: `node monitoring/alerts/generate.ts`.
for (const [path, text] of alertFiles()) {
  const target = new URL(`../../${path}`, import.meta.url);
  mkdirSync(new URL('.', target), { recursive: true });
  writeFileSync(target, text);
}
