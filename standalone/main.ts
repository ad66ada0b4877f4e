import { runProcess, type Running } from '../core/process/lifecycle.ts';
import type { Logger } from '../core/process/logging.ts';
import type { Settings } from '../core/process/settings.ts';
import { standaloneJournal } from './log-lines.ts';
import { standaloneFaults, startStandalone } from './standalone.ts';

const about = 'Barrage in one process: gateway, publisher and the pages of the demo.';

await runProcess('barrage', { about, faultsOf: standaloneFaults, start });

async function start(settings: Settings, logger: Logger): Promise<Running> {
  const running = await startStandalone(settings, logger);
  const { gatewayPort, publisherPort, adminPort, hasDemo } = running;
  if (!hasDemo) {
    standaloneJournal(logger).write('standalone-listens', { gatewayPort, publisherPort, adminPort });
    return running;
  }
  process.stdout.write(`Barrage runs: gateway, publisher and demo in one process.

  watch      http://localhost:${gatewayPort}/
  emit       http://localhost:${gatewayPort}/emit
  clients    ws://localhost:${gatewayPort}/        (plain protocol, or subprotocol barrage.v1)
  events     http://localhost:${gatewayPort}/v1/stream?channel=video:1
  publish    http://localhost:${publisherPort}/v1/mesh/publish
  operations http://localhost:${adminPort}/ops
  metrics    http://localhost:${adminPort}/metrics

Paste this while the page is open:

  curl http://localhost:${publisherPort}/v1/mesh/publish -H 'content-type: application/json' \\
    -d '{"c":"video:1","d":"{\\"text\\":\\"Hello, 弹幕!\\",\\"mode\\":\\"scroll\\",\\"size\\":36,\\"color\\":\\"#ffff00\\"}"}'

Ctrl-C ends it.
`);
  return running;
}
