import { runProcess, type Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import { isLoopbackHost } from '../core/process/loopback.ts';
import type { Settings } from '../core/process/settings.ts';
import { standaloneJournal } from './log-lines.ts';
import { withOwnKey } from './own-key.ts';
import { standaloneFaults, startStandalone } from './standalone.ts';
import { welcome } from './welcome.ts';

const about = 'Barrage in one process: gateway, publisher and the pages of the demo.';

await runProcess('barrage', { about, faultsOf: (settings) => standaloneFaults(withOwnKey(settings).settings), start });

async function start(given: Settings, logger: Logger): Promise<Running> {
  const { settings, ...own } = withOwnKey(given);
  const running = await startStandalone(settings, logger);
  const { gatewayPort, publisherPort, adminPort, hasDemo } = running;
  if (!hasDemo) standaloneJournal(logger).write('standalone-listens', { gatewayPort, publisherPort, adminPort });
  const hasTls = settings.tlsCertFile !== '';
  const isLocal = isLoopbackHost(settings.gatewayHost);
  const ways = {
    mayPagesPublish: isLocal && settings.policyFile === '',
    hasOperations: isLocal || settings.adminPort !== undefined,
    hasOwnAdminPort: settings.adminPort !== undefined,
    hasKeys: settings.apiKeys.length > 0,
  };
  if (hasDemo || own.key !== undefined)
    process.stdout.write(welcome({ gatewayPort, publisherPort, adminPort, hasDemo, hasTls, ...ways, ...own }));
  return running;
}
