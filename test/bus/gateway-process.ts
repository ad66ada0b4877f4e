import { createRedisBus } from '../../core/redis/bus.ts';
import { AnsweringGateway, untilUp } from './world.ts';

/**
 * A gateway process for tests to hang and kill: `node gateway-process.ts URL PREFIX NAME`. Prints its number when it
 * can be called.
 */
const [url, prefix, name] = process.argv.slice(2);
const bus = createRedisBus({ url: url!, prefix: prefix! });
await untilUp(bus);
const gateway = new AnsweringGateway(name!);
gateway.members.set('a', { ready: 5, full: 1 });
process.stdout.write(`${await bus.calls.serve(gateway)}\n`);
