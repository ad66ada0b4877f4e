import type { Settings } from '../core/process/settings.ts';
import { authWebhook } from './auth-webhook.ts';
import type { Authenticate } from './identity.ts';
import { tokenVerifier } from './token-verifier.ts';

/** How this gateway learns whose a token is: from the auth webhook, or from the token itself. Without either every token is refused. */
export function authenticatorOf(settings: Pick<Settings, 'authUrl' | 'jwksUrl' | 'jwtSecret' | 'jwtIssuer' | 'jwtAudience'>): Authenticate {
  if (settings.authUrl !== '') return authWebhook(settings.authUrl);
  if (settings.jwksUrl !== '' || settings.jwtSecret !== '') return tokenVerifier(settings);
  const reason = 'this gateway has no way to check tokens (BARRAGE_AUTH_URL, BARRAGE_JWKS_URL or BARRAGE_JWT_SECRET)';
  return () => Promise.resolve({ kind: 'refused', reason });
}
