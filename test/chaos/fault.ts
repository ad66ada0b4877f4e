import type { Position } from '../../core/publication.ts';
import type { Entry, Fault, Journal } from './record.ts';

export type Batch = Extract<Entry, { readonly kind: 'batch' }>;
export type Gap = Extract<Entry, { readonly kind: 'gap' }>;

export function fault(kind: Fault['kind'], { channel, viewer }: Pick<Journal, 'channel' | 'viewer'>, words: string): Fault {
  return { kind, channel, viewer, words };
}

export function spelt(position: Position | undefined): string {
  return position === undefined ? 'nowhere' : `${position.epoch}/${position.offset}`;
}

export function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}
