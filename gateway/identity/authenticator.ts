import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/process/logging.ts';
import type { Settings } from '../../core/process/settings.ts';
import { gatewayJournal } from '../accounts/log-lines.ts';
import { authWebhook } from './auth-webhook.ts';
import type { Authenticate } from './identity.ts';
import { tokenVerifier } from './token-verifier.ts';

type AuthSettings = Pick<Settings, 'authUrl' | 'jwksUrl' | 'jwtSecret' | 'jwtIssuer' | 'jwtAudience'>;

/**
 * The way in which this gateway verifies tokens: by the auth webhook, or by the token's own signature. Without either
 * every token is refused. Refusals and missing verdicts are logged at a bounded rate: a wrong key refuses the tokens of
 * all clients.
 */
export function authenticatorOf(
  settings: AuthSettings,
  context: { readonly logger: Logger; readonly clock: Pick<Clock, 'monotonic' | 'wall'> },
): Authenticate {
  const authenticate = checkerOf(settings, context.clock);
  const journal = gatewayJournal(context.logger, context.clock);
  const late = journal.sparse('tokens-unchecked');
  const refused = journal.sparse('tokens-refused');
  return async (token) => {
    const result = await authenticate(token);
    if (result.kind === 'late') late.warn(result.reason);
    if (result.kind === 'refused') refused.warn(result.reason);
    return result;
  };
}

function checkerOf(settings: AuthSettings, clock: Pick<Clock, 'monotonic' | 'wall'>): Authenticate {
  if (settings.authUrl !== '') return authWebhook(settings.authUrl);
  if (settings.jwksUrl !== '' || settings.jwtSecret !== '') return tokenVerifier(settings, clock);
  const reason = 'this gateway has no way to check tokens (BARRAGE_AUTH_URL, BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET)';
  return () => Promise.resolve({ kind: 'refused', reason });
}
