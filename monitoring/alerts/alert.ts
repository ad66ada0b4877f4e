/** `critical` wakes somebody, `warning` waits for working hours, `info` is read with the others. */
export type Severity = 'critical' | 'warning' | 'info';

/** Time series for `promtool test rules`: each selector with its samples. */
export type Series = Readonly<Record<string, string>>;

/** A course of time series in which an alert stays silent. */
export interface Example {
  readonly series: Series;
  /** Minutes between two samples, and between two evaluations. Absent: 1. */
  readonly stepMinutes?: number;
  /** Minutes after the first samples at which the alert is looked at. */
  readonly atMinutes: number;
}

/** A course of time series in which an alert fires. */
export interface FiringExample extends Example {
  /** The alerts that fire, each with its own labels and its rendered description. */
  readonly alerts: readonly { readonly labels: Readonly<Record<string, string>>; readonly description: string }[];
}

/** An alerting rule, with the series that prove it. */
export interface Alert {
  /** `BarrageBusDown`. */
  readonly name: string;
  /** `docs/runbooks/<runbook>.md`. Alerts with the same remedy share a runbook. */
  readonly runbook: string;
  readonly severity: Severity;
  /**
   * PromQL without rates per second: counts within windows and ratios are the same numbers at every time scale
   * (`ruleFile`).
   */
  readonly expression: string;
  /** How long the expression must hold, as a PromQL duration; `0m`: at once. */
  readonly forDuration: string;
  /** One line without figures. */
  readonly summary: string;
  /** A template of Prometheus, with figures and names. */
  readonly description: string;
  readonly fires: FiringExample;
  readonly silent: Example;
}

/** A recording rule: a value that several alerts use. */
export interface Recording {
  /** `barrage:what:ratio_rate5m`. */
  readonly name: string;
  readonly expression: string;
}

/** Alerts that belong together, with the recordings that they use. */
export interface AlertGroup {
  readonly name: string;
  readonly recordings: readonly Recording[];
  readonly alerts: readonly Alert[];
}
