/** The rounds of the short form: seeds whose actions have the most of what can be done to each Redis. */
export const shortRounds = [
  { mode: 'standalone', seed: 153, actions: 8, spanMs: 12_000 },
  { mode: 'sentinel', seed: 950, actions: 8, spanMs: 12_000 },
  { mode: 'cluster', seed: 1090, actions: 8, spanMs: 12_000 },
] as const;
