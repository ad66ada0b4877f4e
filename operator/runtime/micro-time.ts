/** A time as `MicroTime` fields take it, with six digits: the API server refuses to apply what has three. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
