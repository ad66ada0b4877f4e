/** What a reflector's metrics are read from. */
export interface ReflectorFigures {
  readonly objects: number;
  /** Milliseconds since the API server last said something: an object, a bookmark, a list. */
  readonly ageMs: number;
  readonly isSynced: boolean;
  readonly lists: number;
  readonly watches: number;
  readonly failures: number;
}
