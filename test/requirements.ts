import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that the tests run for real, and the Debian packages that hold them. */
const requirements = [
  { programs: ['redis-server'], packages: ['redis-server'], needed: 'the bus is tested on a real Redis' },
  {
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: ['chromium', 'fonts-wqy-microhei'],
    needed: 'the pages are tested in a real Chromium',
  },
] as const;

function isInstalled(program: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin'].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Installs what is missing, where this is Debian and we are root; says what to type, where not. @throws Error with that line */
export function installRequirements(): void {
  const missing = requirements.filter(({ programs }) => !programs.some(isInstalled));
  if (missing.length === 0) return;
  const packages = missing.flatMap((requirement) => requirement.packages);
  const line = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() === 0 && isInstalled('apt-get')) {
    process.stdout.write(`installing ${packages.join(', ')} (${missing.map(({ needed }) => needed).join('; ')})\n`);
    // Nothing is started: the tests start their own servers on free ports.
    spawnSync('sh', ['-c', line], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    });
  }
  const still = missing.filter(({ programs }) => !programs.some(isInstalled));
  if (still.length > 0)
    throw new Error(
      `missing: ${still.map(({ needed }) => needed).join('; ')}. Install it and run the tests again:\n\n  sudo sh -c '${line}'\n`,
    );
}
