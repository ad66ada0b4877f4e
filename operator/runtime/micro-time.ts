/** A time for `MicroTime` fields. The API server refuses to apply three digits; it wants six. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
