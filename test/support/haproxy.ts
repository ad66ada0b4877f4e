import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReloadingProxy, type Own } from './reloading-proxy.ts';

/** Starts a real HAProxy, a master with a worker. @param configuration the whole file */
export function startHaproxy(configuration: (own: Own) => string | Promise<string>): Promise<ReloadingProxy> {
  return ReloadingProxy.start({
    name: 'haproxy',
    reloadSignal: 'SIGUSR2',
    prepare: async (own) => {
      const file = join(own.folder, 'haproxy.cfg');
      await writeFile(file, await configuration(own));
      return ['-W', '-db', '-f', file];
    },
  });
}
