import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { buildPrograms, controlPlanePrograms, nodePrograms } from './cluster/programs.ts';
import { kubernetesFolder, networkFolder, podsFolder, withoutVariable, type LeftOut } from './suite.ts';

/** Programs that the tests run for real, and the Debian packages that hold them. */
interface Requirement {
  readonly programs: readonly string[];
  readonly packages: readonly string[];
  readonly needed: string;
  /** A command that fails where one of the programs is there, but not a part of it that Debian packs apart. */
  readonly trial?: readonly [program: string, ...args: string[]];
}

const requirements: readonly Requirement[] = [
  { programs: ['redis-server'], packages: ['redis-server'], needed: 'the bus is tested on a real Redis' },
  {
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: ['chromium', 'fonts-wqy-microhei'],
    needed: 'the pages are tested in a real Chromium',
  },
  { programs: ['nginx'], packages: ['nginx'], needed: 'a real nginx carries what clients pull' },
  { programs: ['haproxy'], packages: ['haproxy'], needed: 'a real HAProxy stands in front of gateways' },
  {
    programs: ['python3'],
    packages: ['python3', 'python3-venv'],
    needed: 'the examples in Python run in an environment of their own',
    trial: ['python3', '-c', 'import ensurepip, venv'],
  },
  { programs: ['strip'], packages: ['binutils'], needed: 'the image has a Node without its symbols' },
  { programs: ['promtool'], packages: ['prometheus'], needed: 'metrics are scraped and checked by a real Prometheus' },
  { programs: ['openssl'], packages: ['openssl'], needed: 'the servers of the tests have certificates of their own' },
];
const networkRequirements: readonly Requirement[] = [
  { programs: ['ip'], packages: ['iproute2'], needed: 'the bad networks of the tests are namespaces of their own' },
];
const podsRequirements: readonly Requirement[] = [
  ...['containerd', 'runc', 'nft', 'ip', 'iptables'].map((program) => ({
    programs: [program],
    packages: [{ nft: 'nftables', ip: 'iproute2' }[program] ?? program],
    needed: `the node of the tests needs ${program}`,
  })),
  { programs: ['dockerd'], packages: ['docker.io'], needed: 'a real Docker runs the image of the release' },
  { programs: ['curl'], packages: ['curl'], needed: "the tests type the commands of the chart's notes" },
  { programs: ['/usr/lib/cni/bridge'], packages: ['containernetworking-plugins'], needed: 'the pods of the tests need a network' },
];

/**
 * Sees to everything that the tests need: installs it, where this is Debian and we are root, says what to type, where
 * not, and builds Kubernetes.
 * @throws Error that says which part can't run here, and what to do
 */
export async function installRequirements(leftOut: readonly LeftOut[]): Promise<void> {
  const runs = (folder: string): boolean => leftOut.every((part) => part.folder !== folder);
  if (runs(kubernetesFolder) && process.platform !== 'linux')
    throw new Error(`the tests on a Kubernetes API server need Linux. Leave them out with: ${withoutVariable}=kubernetes npm test`);
  if ((runs(podsFolder) || runs(networkFolder)) && process.getuid?.() !== 0)
    throw new Error(
      `the tests with pods and with bad networks need root. Run them as root, or leave them out with: ${withoutVariable}=pods npm test`,
    );
  installPackages([...requirements, ...(runs(networkFolder) ? networkRequirements : []), ...(runs(podsFolder) ? podsRequirements : [])]);
  if (runs(kubernetesFolder)) await buildPrograms([...controlPlanePrograms, 'kwok', 'helm', ...(runs(podsFolder) ? nodePrograms : [])]);
}

function installPackages(wanted: readonly Requirement[]): void {
  const missing = wanted.filter((requirement) => !isMet(requirement));
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
  const still = missing.filter((requirement) => !isMet(requirement));
  if (still.length > 0)
    throw new Error(
      `missing: ${still.map(({ needed }) => needed).join('; ')}. Install it and run the tests again:\n\n  sudo sh -c '${line}'\n`,
    );
}

function isMet({ programs, trial }: Requirement): boolean {
  if (!programs.some(isInstalled)) return false;
  if (trial === undefined) return true;
  const [program, ...args] = trial;
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin'];
  return (program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program))).some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
