import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong, in words. */
export async function violations(page: Page): Promise<readonly string[]> {
  // The page's own content policy forbids other scripts; the debugger is no script of the page.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: library } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: readonly { id: string; nodes: readonly { html: string; failureSummary: string }[] }[] }> };
    };
    const found = (await library.run()).violations;
    return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  });
}
