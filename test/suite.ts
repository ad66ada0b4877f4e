/** What the suite is made of: the folders that need nothing but Node, and the parts that a developer can leave out. */

/**
 * Tests without a server, a child process, a listening socket or a browser; `npm run test:unit` runs them.
 * `test/architecture` guards the list.
 */
export const unitFolders: readonly string[] = [
  'test/architecture',
  'test/backend/unit',
  'test/bench/unit',
  'test/bus/unit',
  'test/chaos/unit',
  'test/cli/unit',
  'test/client/unit',
  'test/core',
  'test/demo/unit',
  'test/end-to-end/unit',
  ...['accounts', 'commands', 'connections', 'identity', 'merging', 'moving', 'pull', 'recovery', 'rooms', 'script', 'streams'].map(
    (room) => `test/gateway/${room}`,
  ),
  'test/monitoring/unit',
  'test/operator',
  'test/ops/unit',
  'test/publisher/unit',
  'test/release/unit',
  'test/replay/unit',
  'test/simulation',
  'test/sizing/unit',
  'test/standalone',
];

/** Files and folders that have a long form, by the npm script that runs it. `npm test` runs their short form. */
export const longForms: ReadonlyMap<string, string> = new Map([
  ['size', 'test/kubernetes/operator/size.test.ts'],
  ['idle', 'test/kubernetes/operator/idle.test.ts'],
  ['outage', 'test/end-to-end/outage'],
  ['killed', 'test/end-to-end/killed.test.ts'],
  ['paused', 'test/end-to-end/paused.test.ts'],
  ['network', 'test/end-to-end/network'],
  ['last-mile', 'test/end-to-end/last-mile'],
]);

/** The variable that `long` asks the long form of a file by. */
export const formVariable = 'BARRAGE_TEST_FORM';

/** The variable by which a developer leaves parts of the suite out, and what can be named in it. */
export const withoutVariable = 'BARRAGE_TEST_WITHOUT';

export const kubernetesFolder = 'test/kubernetes';
export const podsFolder = 'test/pods';
export const networkFolder = 'test/end-to-end/network';

/** A part of the suite that does not run, by the developer's choice. */
export interface LeftOut {
  readonly folder: string;
  readonly what: string;
}

/**
 * What a developer leaves out: `pods` with all else that needs root, or `kubernetes`, which has the pods in it.
 * @throws Error for anything else
 */
export function leftOutParts(wish: string): readonly LeftOut[] {
  const pods = [
    { folder: podsFolder, what: 'the tests with pods on a real node' },
    { folder: networkFolder, what: 'the tests with bad networks' },
  ];
  const kubernetes = { folder: kubernetesFolder, what: 'the tests on a Kubernetes API server' };
  switch (wish) {
    case '':
      return [];
    case 'pods':
      return pods;
    case 'kubernetes':
      return [kubernetes, ...pods];
    default:
      throw new Error(`${withoutVariable}=${wish} names no part that can be left out: use pods or kubernetes`);
  }
}

/** What a file or folder that runs alone does not need: killing a gateway must not wait until Kubernetes is built. */
export function leftOutOf(path: string): readonly LeftOut[] {
  const needed = path.startsWith(`${kubernetesFolder}/`) ? [kubernetesFolder, podsFolder, networkFolder] : [path];
  return leftOutParts('kubernetes').filter(({ folder }) => !needed.includes(folder));
}
