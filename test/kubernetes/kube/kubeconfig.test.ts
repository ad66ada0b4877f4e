import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Starts the operator and returns what it leaves. It must end by itself. */
async function start(environment: Readonly<Record<string, string>>): Promise<{ readonly code: unknown; readonly errors: string }> {
  const home = await mkdtemp(join(tmpdir(), 'barrage-home-'));
  const env = { PATH: process.env['PATH'], HOME: home, ...environment };
  return await new Promise((resolve) => {
    execFile(process.execPath, ['operator/main.ts'], { env, timeout: 60_000 }, (error, _output, errors) => {
      resolve({ code: error?.code, errors });
    });
  });
}

async function kubeconfig(text: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'barrage-kubeconfig-')), 'config');
  await writeFile(path, text);
  return path;
}

function configOf(server: string, current = 'here'): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    'current-context': current,
  });
}

test('an operator without a usable kubeconfig says in one line what to do, and ends', async () => {
  const cases: readonly (readonly [environment: Readonly<Record<string, string>>, words: string])[] = [
    [{}, 'there is no kubeconfig: set KUBECONFIG to its path, put it at ~/.kube/config, or run in a pod'],
    [{ KUBECONFIG: '/none' }, "ENOENT: no such file or directory, open '/none'"],
    [
      { KUBECONFIG: await kubeconfig(configOf('http://127.0.0.1:8080')) },
      "the kubeconfig's server is http://127.0.0.1:8080: use https, or set insecure-skip-tls-verify on it if plain HTTP is meant",
    ],
    [{ KUBECONFIG: await kubeconfig(configOf('https://127.0.0.1', 'there')) }, 'the kubeconfig has no current context with a cluster'],
  ];
  for (const [environment, words] of cases) {
    const { code, errors } = await start(environment);
    expect(code, words).toBe(1);
    expect(errors).toBe(`operator: ${words}\n`);
  }
});
