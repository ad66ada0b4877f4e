/** One sample of the Prometheus text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)/;
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/** Reads an answer of `/metrics`. Comments and unreadable lines are left out. */
export function readSamples(text: string): readonly Sample[] {
  return text.split('\n').flatMap((each): readonly Sample[] => {
    const match = each.startsWith('#') ? null : sampleLine.exec(each);
    if (match === null) return [];
    const [, name = '', labels = '', value = ''] = match;
    const number = value === '+Inf' ? Infinity : Number(value);
    if (Number.isNaN(number)) return [];
    const pairs = [...labels.matchAll(labelPair)].map(([, label = '', quoted = '']): [string, string] => [
      label,
      quoted.replaceAll(/\\./g, (escape) => escapes[escape] ?? escape),
    ]);
    return [{ name, labels: Object.fromEntries(pairs), value: number }];
  });
}

/** The sum of all samples of a name; `undefined` without one. */
export function sumOf(samples: readonly Sample[], name: string): number | undefined {
  const found = samples.filter((sample) => sample.name === name);
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** The sums of a metric's samples by one of its labels. */
export function sumsBy(samples: readonly Sample[], name: string, label: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const sample of samples) {
    const key = sample.labels[label];
    if (sample.name === name && key !== undefined) sums.set(key, (sums.get(key) ?? 0) + sample.value);
  }
  return sums;
}
