import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { placed, type Dashboard, type GridPlace, type Panel, type Thresholds } from './panel.ts';
import { allValue, variables } from './variables.ts';

const datasource = { type: 'prometheus', uid: '${datasource}' };
/** By this tag the dashboards find each other. */
const tag = 'barrage';
/** The chart replaces this address by its value `monitoring.runbooksURL`. */
export const runbooksPlaceholder = 'https://runbooks.invalid';

/** A dashboard as Grafana's JSON. */
export function grafanaDashboard(dashboard: Dashboard): grafana.Dashboard {
  const builder = new grafana.DashboardBuilder(dashboard.title)
    .uid(`barrage-${dashboard.name}`)
    .description(dashboard.description)
    .tags([tag])
    .readonly()
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .link(linkToOthers())
    .withVariable(new grafana.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const name of dashboard.variables) builder.withVariable(variable(name));
  let id = 0;
  placed(dashboard.sections).forEach(({ section, panels }, index) => {
    const { title, panels: contents } = dashboard.sections[index] ?? { title: '', panels: [] };
    builder.withRow(new grafana.RowBuilder(title).id(++id).gridPos(section));
    contents.forEach((panel, at) => builder.withPanel(grafanaPanel(panel, { id: ++id, place: panels[at] ?? section })));
  });
  return builder.build();
}

function linkToOthers(): grafana.DashboardLinkBuilder {
  return new grafana.DashboardLinkBuilder('Barrage')
    .type(grafana.DashboardLinkType.Dashboards)
    .tags([tag])
    .asDropdown(true)
    .includeVars(true)
    .keepTime(true);
}

function variable(name: keyof typeof variables): grafana.QueryVariableBuilder {
  const { label, query, isMulti } = variables[name];
  const builder = new grafana.QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query({ query, refId: name })
    .definition(query)
    .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
    .sort(grafana.VariableSort.NaturalAsc)
    .multi(isMulti);
  return isMulti
    ? builder
        .includeAll(true)
        .allValue(allValue)
        .current({ selected: true, text: ['All'], value: ['$__all'] })
    : builder;
}

/** What all kinds of panels understand. */
interface AnyPanel extends Builder<grafana.Panel> {
  id(id: number): this;
  title(title: string): this;
  description(description: string): this;
  datasource(source: common.DataSourceRef): this;
  gridPos(place: GridPlace): this;
  targets(targets: Builder<Dataquery>[]): this;
  links(links: Builder<grafana.DashboardLink>[]): this;
  unit(unit: string): this;
  noValue(text: string): this;
  thresholds(thresholds: Builder<grafana.ThresholdsConfig>): this;
  mappings(mappings: grafana.ValueMapping[]): this;
  dataLinks(links: Builder<grafana.DashboardLink>[]): this;
}

function grafanaPanel(panel: Panel, { id, place }: { readonly id: number; readonly place: GridPlace }): AnyPanel {
  const builder = ofKind(panel)
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .gridPos(place)
    .unit(panel.unit)
    .noValue('none')
    .thresholds(thresholds(panel.thresholds))
    .targets(panel.queries.map((query, index) => target(panel.kind, query, 'ABCDEFGH'[index] ?? 'Z')));
  if (panel.words !== undefined)
    builder.mappings([
      {
        type: grafana.MappingType.ValueToText,
        options: Object.fromEntries(panel.words.map(({ value, text, color }, index) => [String(value), { text, color, index }])),
      },
    ]);
  if (panel.runbook !== undefined)
    builder.links([new grafana.DashboardLinkBuilder('Runbook').url(`${runbooksPlaceholder}/${panel.runbook}.md`).targetBlank(true)]);
  if (panel.leadsTo !== undefined) builder.dataLinks([way(panel.leadsTo)]);
  return builder;
}

/** The way from one series to the dashboard about its pod or channel. */
function way(to: 'gateways' | 'channel'): grafana.DashboardLinkBuilder {
  const name = to === 'gateways' ? 'pod' : 'channel';
  const kept = '${namespace:queryparam}&${pool:queryparam}&${datasource:queryparam}&${__url_time_range}';
  const value = `\${__field.labels.${name}}`;
  return new grafana.DashboardLinkBuilder(`Look at ${value}`).url(`/d/barrage-${to}?var-${name}=${value}&${kept}`);
}

function ofKind(panel: Panel): AnyPanel {
  switch (panel.kind) {
    case 'figure':
      return new stat.PanelBuilder()
        .reduceOptions(last())
        .colorMode(common.BigValueColorMode.Value)
        .graphMode(common.BigValueGraphMode.None);
    case 'bars':
      return new bargauge.PanelBuilder()
        .reduceOptions(last())
        .orientation(common.VizOrientation.Horizontal)
        .displayMode(common.BarGaugeDisplayMode.Basic)
        .valueMode(common.BarGaugeValueMode.Color)
        .min(0);
    case 'lines':
      return lines(panel);
    case 'states':
      return new statetimeline.PanelBuilder().mergeValues(true).showValue(common.VisibilityMode.Auto).legend(legend());
    case 'table':
      return new table.PanelBuilder().showHeader(true).withTransformation({
        id: 'organize',
        options: { excludeByName: { Time: true, __name__: true }, renameByName: { Value: panel.queries[0]?.legend ?? 'Value' } },
      });
  }
}

function lines(panel: Panel): timeseries.PanelBuilder {
  const builder = new timeseries.PanelBuilder()
    .legend(legend())
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
    .lineWidth(1)
    .fillOpacity(panel.isStacked === true ? 30 : 5)
    .showPoints(common.VisibilityMode.Never)
    .axisSoftMin(0);
  if (panel.isStacked === true) builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (panel.thresholds !== undefined)
    builder.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  return builder;
}

function legend(): common.VizLegendOptionsBuilder {
  return new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([]);
}

function last(): common.ReduceDataOptionsBuilder {
  return new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false);
}

function thresholds(of: Thresholds | undefined): grafana.ThresholdsConfigBuilder {
  const builder = new grafana.ThresholdsConfigBuilder().mode(grafana.ThresholdsMode.Absolute);
  if (of === undefined) return builder.steps([{ value: null, color: 'blue' }]);
  const { warning, critical } = of;
  return builder.steps(
    critical < warning
      ? [
          { value: null, color: 'red' },
          { value: critical, color: 'orange' },
          { value: warning, color: 'green' },
        ]
      : [
          { value: null, color: 'green' },
          ...(warning === critical ? [] : [{ value: warning, color: 'orange' }]),
          { value: critical, color: 'red' },
        ],
  );
}

function target(kind: Panel['kind'], { expression, legend: name }: Panel['queries'][number], refId: string): prometheus.DataqueryBuilder {
  const query = new prometheus.DataqueryBuilder().expr(expression).refId(refId).datasource(datasource);
  switch (kind) {
    case 'table':
      return query.instant().format(prometheus.PromQueryFormat.Table);
    case 'figure':
    case 'bars':
      return query.instant().legendFormat(name);
    case 'lines':
    case 'states':
      return query.range().legendFormat(name);
  }
}
