/** One scrape in Prometheus' text format. */
export interface Exposition {
  /** The type of each metric. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** The metric's name, also of the parts of a histogram. */
  readonly metric: string;
  /** The series' name, with `_bucket`, `_sum` or `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' };

/** Reads the text format. @throws Error for a line that is none of it */
export function readExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  let metric = '';
  for (const line of text.split('\n')) {
    const [, named = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (named !== '') {
      metric = named;
      types.set(named, type);
    }
    if (line === '' || line.startsWith('#')) continue;
    const match = sampleLine.exec(line);
    if (match === null) throw new Error(`no sample: ${line}`);
    samples.push({ metric, name: match[1] ?? '', labels: readLabels(match[2] ?? ''), value: Number(match[3]) });
  }
  return { types, samples };
}

/** Scrapes a process. */
export async function scrape(port: number): Promise<Exposition> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
  return readExposition(await response.text());
}

function readLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const at = label.lastIndex;
    const match = label.exec(text);
    if (match === null) throw new Error(`no label: ${text.slice(at)}`);
    labels[match[1] ?? ''] = (match[2] ?? '').replaceAll(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped);
  }
  return labels;
}
