/** A pod's answer to a push or a command. `refused` carries the pod's reason in `message`. */
export type Told =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  | { readonly kind: 'silent' };
