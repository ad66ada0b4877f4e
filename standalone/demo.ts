import type { RequestListener } from 'node:http';
import type { Logger } from '../core/process/logging.ts';
import { readBuiltSite } from './built-site.ts';
import { standaloneJournal } from './log-lines.ts';
import { serveSite, type DemoFacts } from './site.ts';

/**
 * Loads the demo's pages: the image has them ready, a clone builds them. What builds them is loaded on demand, so that
 * everything else runs without it.
 */
export async function loadDemo(facts: () => DemoFacts, logger: Logger): Promise<RequestListener | undefined> {
  const ready = await readBuiltSite();
  if (ready !== undefined) return serveSite(ready, facts);
  try {
    const { buildSite } = await import('../client/demo/site.ts');
    return serveSite(await buildSite(), facts);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    standaloneJournal(logger).write('demo-missing');
    return undefined;
  }
}
