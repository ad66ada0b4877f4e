import type { Section } from './panel.ts';
import { rate, sum } from './queries.ts';
import { ofPods } from './variables.ts';

/** What clients pull from the gateways by HTTP. */
export const pullSection: Section = {
  title: 'Pull',
  panels: [
    {
      kind: 'lines',
      title: 'Requests of pull',
      description: 'Requests for heads and segments that reached the gateways, by result. A cache in front answers the others.',
      unit: 'cps',
      queries: [{ expression: `${sum(rate('barrage_gateway_pull_requests_total', ofPods), 'result')}>0`, legend: '{{result}}' }],
      isStacked: true,
      width: 12,
    },
    {
      kind: 'lines',
      title: 'Reads of the bus for pull',
      description:
        'For each channel one a second while somebody asks, and one for each segment. `refused`: one too many, of channels that are known, or not.',
      unit: 'cps',
      queries: [
        { expression: `${sum(rate('barrage_gateway_pull_bus_reads_total', ofPods), 'pod')}>0`, legend: '{{pod}}' },
        { expression: `${sum(rate('barrage_gateway_pull_bus_reads_refused_total', ofPods), 'of')}>0`, legend: 'refused: {{of}}' },
      ],
      width: 12,
    },
  ],
};
