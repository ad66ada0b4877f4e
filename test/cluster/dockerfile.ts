/** What a Dockerfile says, as far as ours says it. */
export interface Recipe {
  /** `COPY` lines: from paths of the repository to a folder, absolute. */
  readonly copies: readonly { readonly sources: readonly string[]; readonly to: string }[];
  /** What `npm` is told to install. */
  readonly install: string;
  readonly workingFolder: string;
  readonly environment: readonly string[];
  readonly user: string;
  readonly entrypoint: readonly string[];
}

/** Reads a Dockerfile. @throws Error for an instruction that the tests' image would not follow */
export function readRecipe(text: string): Recipe {
  let recipe: Recipe = { copies: [], install: '', workingFolder: '/', environment: [], user: '', entrypoint: [] };
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    recipe = follow(recipe, line);
  }
  return recipe;
}

function follow(recipe: Recipe, line: string): Recipe {
  const [instruction = '', ...words] = line.trim().split(/\s+/);
  const rest = words.join(' ');
  switch (instruction) {
    case 'FROM':
    case 'EXPOSE':
      return recipe;
    case 'WORKDIR':
      return { ...recipe, workingFolder: rest };
    case 'COPY': {
      if (words.length < 2 || rest.startsWith('--')) throw new Error(`a COPY that only Docker understands: ${line}`);
      const to = new URL(words.at(-1) ?? '', `file://${recipe.workingFolder}/`).pathname;
      return { ...recipe, copies: [...recipe.copies, { sources: words.slice(0, -1), to }] };
    }
    case 'RUN':
      if (!rest.startsWith('npm ci ') || recipe.install !== '') throw new Error(`a RUN that only Docker can run: ${line}`);
      return { ...recipe, install: rest };
    case 'ENV':
      return { ...recipe, environment: [...recipe.environment, ...words] };
    case 'USER':
      return { ...recipe, user: rest };
    case 'ENTRYPOINT':
      return { ...recipe, entrypoint: JSON.parse(rest) as string[] };
    default:
      throw new Error(`the tests' image does not know this instruction: ${line}`);
  }
}
