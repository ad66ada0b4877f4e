/** What the last stage of a Dockerfile says, as far as ours says it. */
export interface Recipe {
  /** Image that the stage begins with. */
  readonly from: string;
  /** `COPY --from=STAGE` lines: a path of an earlier stage, and where it goes, absolute. */
  readonly copies: readonly { readonly stage: string; readonly source: string; readonly to: string }[];
  readonly workingFolder: string;
  /** Variables as NAME=VALUE. */
  readonly environment: readonly string[];
  readonly user: string;
  /** Ports as Docker writes them: `6790/tcp`. */
  readonly ports: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
}

/** One line of a Dockerfile: an instruction in capitals, and the rest of the line. */
export interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** The instructions of each stage of a Dockerfile, in order; each begins with its FROM. */
export function readStages(text: string): readonly (readonly Instruction[])[] {
  const stages: Instruction[][] = [];
  for (const line of text.replaceAll(/\\\n\s*/g, '').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name = '', rest = ''] = /^(\S+)\s+(.*?)\s*$/.exec(line.trim()) ?? [];
    if (name === 'FROM') stages.push([]);
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`a line before the first FROM: ${line}`);
    stage.push({ name, rest });
  }
  return stages;
}

/**
 * Reads the last stage of a Dockerfile: what the image has.
 * @throws Error for an instruction that an image without a container engine can't follow
 */
export function readRecipe(text: string): Recipe {
  const nothing: Recipe = {
    from: '',
    copies: [],
    workingFolder: '/',
    environment: [],
    user: '',
    ports: [],
    labels: {},
    entrypoint: [],
  };
  return (readStages(text).at(-1) ?? []).reduce(follow, nothing);
}

function follow(recipe: Recipe, { name, rest }: Instruction): Recipe {
  switch (name) {
    case 'FROM':
      return { ...recipe, from: rest };
    case 'RUN':
      // It takes away what a base of our own never has.
      if (!rest.startsWith('rm -rf /')) throw new Error(`a RUN that only Docker can run: RUN ${rest}`);
      return recipe;
    case 'WORKDIR':
      return { ...recipe, workingFolder: rest };
    case 'COPY': {
      const [, stage = '', source = '', target = ''] = /^--from=(\S+) (\S+) (\S+)$/.exec(rest) ?? [];
      if (target === '') throw new Error(`a COPY that only Docker understands: COPY ${rest}`);
      const to = new URL(target, `file://${recipe.workingFolder}/`).pathname;
      return { ...recipe, copies: [...recipe.copies, { stage, source, to }] };
    }
    case 'ENV':
      return { ...recipe, environment: [...recipe.environment, ...rest.split(' ')] };
    case 'USER':
      return { ...recipe, user: rest };
    case 'EXPOSE':
      return { ...recipe, ports: [...recipe.ports, ...rest.split(' ').map((port) => `${port}/tcp`)] };
    case 'LABEL':
      return { ...recipe, labels: { ...recipe.labels, ...readLabels(rest) } };
    case 'ENTRYPOINT':
      return { ...recipe, entrypoint: JSON.parse(rest) as string[] };
    default:
      throw new Error(`an image without a container engine can't follow this instruction: ${name} ${rest}`);
  }
}

function readLabels(rest: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...rest.matchAll(/(\S+?)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]));
}
