import type { RequestListener } from 'node:http';
import type { Logger } from '../core/process/logging.ts';
import { standaloneJournal } from './log-lines.ts';
import type { DemoFacts } from './site.ts';

/**
 * Loads the demo's pages if they are installed; the image and bundles leave them out. They are loaded on demand, so
 * that everything else runs without them.
 */
export async function loadDemo(facts: () => DemoFacts, logger: Logger): Promise<RequestListener | undefined> {
  try {
    const { buildSite } = await import('../client/demo/site.ts');
    const { serveSite } = await import('./site.ts');
    return serveSite(await buildSite(), facts);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    standaloneJournal(logger).write('demo-missing');
    return undefined;
  }
}
