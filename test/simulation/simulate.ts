import { Coverage } from './coverage.ts';
import { World, type Troubles } from './world.ts';

/** The variable that names the one seed to run. */
const seedVariable = 'BARRAGE_TEST_SEED';
const stepsEach = 60;

export interface Seeds {
  /** The first seed; the others follow it. Each seed of all tests is another one. */
  readonly first: number;
  readonly seeds: number;
  /** The test file, for the command that runs a seed again. */
  readonly file: string;
}

/**
 * Runs worlds, and counts the rules that they meet. A failure says how to run its seed alone: then the other seeds of
 * all tests are passed over, and nothing is counted.
 */
export async function simulate(
  { first, seeds, file }: Seeds,
  troublesOf: (seed: number) => Troubles,
  check: (world: World) => void,
): Promise<Coverage> {
  const wanted = process.env[seedVariable];
  const coverage = new Coverage(wanted !== undefined);
  for (let seed = first; seed < first + seeds; seed++) {
    if (wanted !== undefined && seed !== Number(wanted)) continue;
    const world = new World(seed, troublesOf(seed));
    try {
      await world.run(stepsEach);
      check(world);
      await coverage.add(world);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`seed ${seed}: ${what}\nrun it alone: ${seedVariable}=${seed} npx vitest run ${file}`, { cause: error });
    } finally {
      world.close();
    }
  }
  return coverage;
}
