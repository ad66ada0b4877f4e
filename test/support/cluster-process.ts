import { startApiServer, startNode } from './cluster.ts';

/**
 * A process that starts a cluster (`api`, or `node` in the network given as second argument), says where its kubeconfig
 * is, and holds it until it is killed.
 */
const [, , kind, network] = process.argv;
const cluster = kind === 'node' ? await startNode(network === undefined ? {} : { network }) : await startApiServer();
process.stdout.write(`${cluster.kubeconfig}\n`);
setInterval(() => {}, 60_000);
