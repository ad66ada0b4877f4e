import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const gatewayApi = 'sigs.k8s.io/gateway-api@v1.4.1';

/**
 * The real definition of HTTPRoute: the path of a YAML file in Go's module cache, where it is downloaded once.
 * @throws Error with Go's own words
 */
export async function httpRouteDefinition(): Promise<string> {
  // Beyond any module: nothing of a go.mod decides then.
  const folder = await mkdtemp(join(tmpdir(), 'barrage-gateway-api-'));
  try {
    const env = { ...process.env, PATH: [process.env['PATH'], '/usr/local/go/bin'].join(delimiter) };
    const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', gatewayApi], { cwd: folder, env });
    const { Dir } = JSON.parse(stdout) as { readonly Dir: string };
    return join(Dir, 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml');
  } finally {
    await rm(folder, { recursive: true });
  }
}
