import type { Edits } from './full-objects.ts';

/** A rule, by the field at which it stands, with objects that it accepts and one or more that it refuses. */
export interface RuleCase {
  readonly kind: 'GatewayPool' | 'BarrageChannel';
  /** Way to the rule in the schema, `[]` for an item and `*` for a value. */
  readonly at: string;
  /** Beginning of the rule's message. */
  readonly message: string;
  /** Changes of the full object, or of the stored one where `isChange` is set. */
  readonly accepted: readonly Edits[];
  readonly refused: readonly Edits[];
  readonly isChange?: boolean;
}
