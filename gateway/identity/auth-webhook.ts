import { parseJsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { readAnswer } from '../../core/process/bounded-read.ts';
import { webAddress } from './web-address.ts';
import { userOf, type AuthResult, type Authenticate } from './identity.ts';

const answerBytesMax = 65_536;

const ok = 200;
const tooManyRequests = 429;

/**
 * CONNMIX's auth webhook: POST `{"token"}` to the URL. The answer 200 with `{"uid"}` (a string or a whole number) names
 * the user. `late` covers answers that say nothing of the token: none within `limits.authTimeoutMs`, no connection,
 * 429, and every 5xx. Any other answer is a refusal.
 * @see CONNMIX "user message centre"
 */
export function authWebhook(address: string): Authenticate {
  const { url, headers } = webAddress(address);
  let inFlight = 0;
  return async (token) => {
    if (inFlight >= limits.authInFlightMax) return { kind: 'late', reason: 'too many requests to the auth service are under way' };
    inFlight++;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ token }),
        redirect: 'manual',
        signal: AbortSignal.timeout(limits.authTimeoutMs),
      });
      const body = await readAnswer(response, answerBytesMax);
      const { status } = response;
      if (status === tooManyRequests || status >= 500) return { kind: 'late', reason: `the auth service answered ${status}` };
      if (status !== ok) return { kind: 'refused', reason: `the auth service answered ${status}` };
      return readUser(body.kind === 'whole' ? body.bytes.toString() : undefined);
    } catch (error) {
      return { kind: 'late', reason: `the auth service could not be asked: ${causeOf(error)}` };
    } finally {
      inFlight--;
    }
  };
}

/** @param text `undefined`: longer than any answer with a uid needs */
function readUser(text: string | undefined): AuthResult {
  if (text === undefined) return { kind: 'refused', reason: `the auth service answered more than ${answerBytesMax} bytes` };
  const parsed = parseJsonObject(text);
  if (parsed.kind === 'fault') return { kind: 'refused', reason: 'the auth service gave no uid: its answer is no JSON object' };
  return userOf(parsed.value['uid'], 'the auth service');
}

/** The system's code for a failed request; it holds neither the token nor the URL. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const code = error.cause instanceof Error ? (error.cause as NodeJS.ErrnoException).code : undefined;
  return code ?? error.name;
}
