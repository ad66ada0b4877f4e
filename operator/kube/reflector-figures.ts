/** Figures for a reflector's metrics. */
export interface ReflectorFigures {
  readonly objects: number;
  /** Milliseconds since the last object, bookmark or list. */
  readonly ageMs: number;
  readonly isSynced: boolean;
  readonly lists: number;
  readonly watches: number;
  readonly failures: number;
}
