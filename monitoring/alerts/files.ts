import { alertsDocument } from './document.ts';
import { ruleFileText } from './rules.ts';

/** All files that are generated from the alerts: path from the repository's root, and text. */
export function alertFiles(): readonly (readonly [path: string, text: string])[] {
  return [
    ['charts/barrage/rules/barrage.yaml', ruleFileText({ timeScale: 1 })],
    ['docs/alerts.md', alertsDocument()],
  ];
}
