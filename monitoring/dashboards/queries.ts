/** Increase a second of a counter's series that a selector matches. */
export function rate(counter: string, selector: string): string {
  return `rate(${counter}{${selector}}[$__rate_interval])`;
}

/** Sum for each value of the labels; without labels the sum of all. */
export function sum(expression: string, ...by: readonly string[]): string {
  return aggregate('sum', expression, by);
}

/** Greatest for each value of the labels; without labels the greatest of all. */
export function max(expression: string, ...by: readonly string[]): string {
  return aggregate('max', expression, by);
}

/** Quantile of a histogram in the window, for each value of the labels. */
export function quantile(share: number, histogram: string, selector: string, ...by: readonly string[]): string {
  return `histogram_quantile(${share},${sum(rate(`${histogram}_bucket`, selector), 'le', ...by)})`;
}

/** Mean of a histogram in the window, for each value of the labels. */
export function mean(histogram: string, selector: string, ...by: readonly string[]): string {
  return `${sum(rate(`${histogram}_sum`, selector), ...by)}/${sum(rate(`${histogram}_count`, selector), ...by)}`;
}

/** The greatest ten. */
export function topTen(expression: string): string {
  return `topk(10,${expression})`;
}

/** Series of gateways alone, of a metric that every process exports. */
export function onGateways(expression: string): string {
  return `${expression} and on(namespace,pod) barrage_gateway_rooms`;
}

/** Series of publishers alone, of a metric that every process exports. */
export function onPublishers(expression: string): string {
  return `${expression} and on(namespace,pod) barrage_publisher_sockets`;
}

function aggregate(operator: 'sum' | 'max', expression: string, by: readonly string[]): string {
  return by.length === 0 ? `${operator}(${expression})` : `${operator} by(${by.join(',')})(${expression})`;
}
