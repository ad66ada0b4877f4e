/** What a dashboard is made of, without Grafana's own words: `grafana.ts` turns it into Grafana's JSON. */

/** Names of Grafana's units. */
export type Unit = 'short' | 'none' | 'percentunit' | 's' | 'bytes' | 'Bps' | 'ops' | 'pps' | 'cps' | 'bool' | 'dateTimeAsIso';

export interface PanelQuery {
  /** PromQL, with the dashboard's variables and `$__rate_interval`. */
  readonly expression: string;
  /** Name of a series, with `{{label}}`; empty for the single series of a figure. */
  readonly legend: string;
}

/** Where a figure turns from good to doubtful, and to bad. Bad is below, where `critical` is the lesser. */
export interface Thresholds {
  readonly warning: number;
  readonly critical: number;
}

/** A word and a colour for a value. */
export interface ValueWord {
  readonly value: number;
  readonly text: string;
  readonly color: 'green' | 'orange' | 'red' | 'blue' | 'gray';
}

export interface Panel {
  /**
   * - `figure`: one number, as it is now.
   * - `lines`: over time.
   * - `bars`: a ranking, as it is now.
   * - `table`: one row for each series, as it is now.
   * - `states`: words over time.
   */
  readonly kind: 'figure' | 'lines' | 'bars' | 'table' | 'states';
  readonly title: string;
  /** What the panel tells, and what is usual. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly PanelQuery[];
  readonly thresholds?: Thresholds;
  readonly words?: readonly ValueWord[];
  /** Name of a page in `docs/runbooks`. */
  readonly runbook?: string;
  /** The dashboard that a series leads to, by its label. */
  readonly leadsTo?: 'gateways' | 'channel';
  /** Lines on top of each other: their sum matters. */
  readonly isStacked?: boolean;
  /** Columns of 24; 6 for a figure and 12 for others, where absent. */
  readonly width?: number;
}

export interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** Names of the variables by which a dashboard's reader selects. */
export type VariableName = 'namespace' | 'pool' | 'pod' | 'channel' | 'operator';

export interface Dashboard {
  /** Last part of its address, and name of its file. */
  readonly name: string;
  readonly title: string;
  /** The questions that it answers. */
  readonly description: string;
  readonly variables: readonly VariableName[];
  readonly sections: readonly Section[];
}

/** A place on Grafana's grid of 24 columns. */
export interface GridPlace {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

const columns = 24;
const sizes: Readonly<Record<Panel['kind'], { readonly w: number; readonly h: number }>> = {
  figure: { w: 6, h: 4 },
  lines: { w: 12, h: 8 },
  bars: { w: 12, h: 8 },
  table: { w: 24, h: 8 },
  states: { w: 24, h: 8 },
};

/**
 * Places sections below each other: a heading, then its panels in rows from left to right. A row is as high as its
 * highest panel.
 */
export function placed(sections: readonly Section[]): readonly { readonly section: GridPlace; readonly panels: readonly GridPlace[] }[] {
  let y = 0;
  return sections.map(({ panels }) => {
    const section = { x: 0, y, w: columns, h: 1 };
    y += 1;
    let [x, height] = [0, 0];
    const places = panels.map((panel) => {
      const { h } = sizes[panel.kind];
      const w = panel.width ?? sizes[panel.kind].w;
      if (x + w > columns) [x, y, height] = [0, y + height, 0];
      const place = { x, y, w, h };
      x += w;
      height = Math.max(height, h);
      return place;
    });
    y += height;
    return { section, panels: places };
  });
}
