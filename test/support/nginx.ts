import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ReloadingProxy, type Own } from './reloading-proxy.ts';

/**
 * Starts a real nginx with one worker.
 * @param http what stands in the context `http`
 * @param main further lines of the main context
 */
export function startNginx(http: (own: Own) => string, main = ''): Promise<ReloadingProxy> {
  return ReloadingProxy.start({
    name: 'nginx',
    reloadSignal: 'SIGHUP',
    prepare: async (own) => {
      const { folder } = own;
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
      const user = process.getuid?.() === 0 ? 'user root;\n' : '';
      const around = `${user}${main}\ndaemon off;\nworker_processes 1;\npid ${folder}/pid;\nerror_log stderr warn;\nevents { worker_connections 1024; }\n`;
      const text = `${around}http {\naccess_log off;\nkeepalive_requests 10000000;\n${temporary.join('\n')}\n${http(own)}\n}\n`;
      const file = join(folder, 'nginx.conf');
      await writeFile(file, text);
      return ['-e', 'stderr', '-p', folder, '-c', file];
    },
  });
}
