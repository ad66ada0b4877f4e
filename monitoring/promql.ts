import { parser } from '@prometheus-io/lezer-promql';
import type { SyntaxNode } from '@lezer/common';

/** A metric as far as queries go: the names of its series and their labels. */
export interface QueriedMetric {
  readonly name: string;
  /** `histogram` and `summary` have series with further names. */
  readonly type: string;
  readonly labels: readonly string[];
}

/** The metrics that queries may use, and the labels that every scraped series gets from its target. */
export interface Catalogue {
  readonly metrics: readonly QueriedMetric[];
  readonly targetLabels: readonly string[];
}

/** What is known of a query without running it. */
export interface CheckedQuery {
  /** Faults in words; empty is good. */
  readonly faults: readonly string[];
  /** Names of the series that it selects, each once. */
  readonly series: readonly string[];
  /** Labels that a series of the result may have, besides the name. */
  readonly labels: readonly string[];
}

interface Reading {
  readonly text: string;
  readonly faults: string[];
  readonly series: Set<string>;
  /** The labels of each name of a series. */
  readonly known: ReadonlyMap<string, readonly string[]>;
}

/** Labels of the series of one scrape that Prometheus itself makes. */
const made = ['up', 'scrape_duration_seconds', 'ALERTS', 'ALERTS_FOR_STATE'];
const madeLabels: Readonly<Record<string, readonly string[]>> = {
  ALERTS: ['alertname', 'alertstate', 'severity'],
  ALERTS_FOR_STATE: ['alertname', 'severity'],
};

/**
 * Checks a PromQL query: it parses, it selects only series that exist, by labels that they have, and it groups, joins
 * and matches only by labels that its parts have.
 * @param text without variables of Grafana outside strings: see `withVariables`
 */
export function checkQuery(text: string, catalogue: Catalogue): CheckedQuery {
  const reading: Reading = { text, faults: [], series: new Set(), known: seriesOf(catalogue) };
  const tree = parser.parse(text);
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) reading.faults.push(`does not parse at ${node.from}: ${text.slice(node.from, node.from + 20)}`);
    },
  });
  const root = expressionsIn(tree.topNode)[0];
  const labels = reading.faults.length > 0 || root === undefined ? [] : labelsOf(root, reading);
  return { faults: reading.faults, series: [...reading.series], labels };
}

/** The text with a value for each `$name` and `${name}`. @throws Error for a variable without a value */
export function withVariables(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced: string | undefined, plain: string | undefined) => {
    const value = values[braced ?? plain ?? ''];
    if (value === undefined) throw new Error(`${whole} in ${text} has no value`);
    return value;
  });
}

function seriesOf({ metrics, targetLabels }: Catalogue): ReadonlyMap<string, readonly string[]> {
  const known = new Map<string, readonly string[]>(made.map((name) => [name, [...(madeLabels[name] ?? []), ...targetLabels]]));
  for (const { name, type, labels } of metrics) {
    const all = [...labels, ...targetLabels];
    if (type !== 'histogram') known.set(name, type === 'summary' ? [...all, 'quantile'] : all);
    if (type === 'histogram') known.set(`${name}_bucket`, [...all, 'le']);
    if (type === 'histogram' || type === 'summary') for (const part of ['sum', 'count']) known.set(`${name}_${part}`, all);
  }
  return known;
}

/** The labels that a series of this expression's result may have. Faults on the way are noted. */
function labelsOf(node: SyntaxNode, reading: Reading): readonly string[] {
  switch (node.name) {
    case 'VectorSelector':
      return selected(node, reading);
    case 'AggregateExpr':
      return aggregated(node, reading);
    case 'BinaryExpr':
      return joined(node, reading);
    case 'FunctionCall':
      return called(node, reading);
    default: {
      const inner = expressionsIn(node).map((each) => labelsOf(each, reading));
      return inner[0] ?? [];
    }
  }
}

function selected(node: SyntaxNode, reading: Reading): readonly string[] {
  const identifier = node.getChild('Identifier');
  if (identifier === null) {
    reading.faults.push(`${textOf(node, reading)} selects series by no name`);
    return [];
  }
  const name = textOf(identifier, reading);
  const labels = reading.known.get(name);
  if (labels === undefined) {
    reading.faults.push(`${name} is exported by no process`);
    return [];
  }
  reading.series.add(name);
  for (const matcher of node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
    const label = matcher.getChild('LabelName');
    if (label !== null) expectLabel(textOf(label, reading), labels, { of: name, reading });
  }
  return labels;
}

function aggregated(node: SyntaxNode, reading: Reading): readonly string[] {
  const [operand] = expressionsIn(node.getChild('FunctionCallBody')).slice(-1);
  const inner = operand === undefined ? [] : labelsOf(operand, reading);
  const modifier = node.getChild('AggregateModifier');
  const keepsAll = ['Topk', 'Bottomk', 'LimitK', 'LimitRatio'].some((name) => node.getChild('AggregateOp')?.getChild(name) !== null);
  if (modifier === null) return keepsAll ? inner : [];
  const named = groupingLabels(modifier, reading);
  for (const label of named) expectLabel(label, inner, { of: textOf(node, reading), reading });
  if (keepsAll) return inner;
  return modifier.getChild('By') === null ? inner.filter((label) => !named.includes(label)) : named;
}

function joined(node: SyntaxNode, reading: Reading): readonly string[] {
  const operands = expressionsIn(node);
  const [left = [], right = []] = operands.map((each) => labelsOf(each, reading));
  if (operands[0]?.name === 'NumberDurationLiteral') return right;
  const clause = node.getChild('MatchingModifierClause');
  const isSet = ['And', 'Or', 'Unless'].some((name) => node.getChild(name) !== null);
  if (clause === null) return node.getChild('Or') !== null ? [...new Set([...left, ...right])] : left;
  const [matched = [], taken = []] = clause
    .getChildren('GroupingLabels')
    .map((each) => each.getChildren('LabelName').map((label) => textOf(label, reading)));
  const of = textOf(node, reading);
  for (const label of matched) for (const side of [left, right]) expectLabel(label, side, { of, reading });
  const isLeft = clause.getChild('GroupLeft') !== null;
  const isRight = clause.getChild('GroupRight') !== null;
  if (isLeft || isRight) {
    const [many, one] = isLeft ? [left, right] : [right, left];
    for (const label of taken) expectLabel(label, one, { of, reading });
    return [...new Set([...many, ...taken])];
  }
  if (isSet) return left;
  return clause.getChild('On') === null ? left.filter((label) => !matched.includes(label)) : matched;
}

function called(node: SyntaxNode, reading: Reading): readonly string[] {
  const name = textOf(node.firstChild ?? node, reading);
  const parts = expressionsIn(node.getChild('FunctionCallBody'));
  const inner = parts.map((each) => labelsOf(each, reading));
  const longest = inner.reduce((one, other) => (other.length > one.length ? other : one), []);
  switch (name) {
    case 'vector':
    case 'time':
    case 'scalar':
      return [];
    case 'histogram_quantile':
      expectLabel('le', longest, { of: textOf(node, reading), reading });
      return longest.filter((label) => label !== 'le');
    case 'label_replace': {
      const [made = '', , source = ''] = parts.slice(1).map((each) => textOf(each, reading).slice(1, -1));
      expectLabel(source, longest, { of: textOf(node, reading), reading });
      return [...new Set([...longest, made])];
    }
    case 'absent':
    case 'absent_over_time':
      return [];
    default:
      return longest;
  }
}

function expectLabel(label: string, labels: readonly string[], { of, reading }: { readonly of: string; readonly reading: Reading }): void {
  if (!labels.includes(label)) reading.faults.push(`${of} has no label ${label}`);
}

function groupingLabels(node: SyntaxNode, reading: Reading): readonly string[] {
  return (node.getChild('GroupingLabels')?.getChildren('LabelName') ?? []).map((label) => textOf(label, reading));
}

function textOf(node: SyntaxNode, { text }: Reading): string {
  return text.slice(node.from, node.to);
}

/** The expressions right inside a node. */
function expressionsIn(node: SyntaxNode | null): readonly SyntaxNode[] {
  return node?.getChildren('Expr') ?? [];
}
