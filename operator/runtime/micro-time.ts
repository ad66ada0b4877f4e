/** A time as `MicroTime` fields take it, with six digits: the API server refuses to apply what has three. */
export function microTime(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().replace('Z', '000Z');
}
