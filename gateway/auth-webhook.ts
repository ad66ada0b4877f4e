import { z } from 'zod';
import { parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { userOf, type AuthResult, type Authenticate } from './identity.ts';

const answerSchema = z.object({ uid: z.union([z.string().min(1), z.int()]) });
const answerBytesMax = 65_536;

/**
 * CONNMIX's auth webhook: POST `{"token"}` to the URL; 200 with `{"uid"}` (a string or a whole number) is the user, anything else a refusal. No
 * answer within `limits.authTimeoutMs` is `late`.
 * @see CONNMIX "user message centre"
 */
export function authWebhook(url: string): Authenticate {
  let inFlight = 0;
  return async (token) => {
    if (inFlight >= limits.authInFlightMax) return { kind: 'late' };
    inFlight++;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token }),
        redirect: 'error',
        signal: AbortSignal.timeout(limits.authTimeoutMs),
      });
      const text = await readBounded(response);
      if (response.status !== 200) return { kind: 'refused', reason: `the auth service answered ${response.status}` };
      return readAnswer(text);
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') return { kind: 'late' };
      return { kind: 'refused', reason: 'the auth service could not be reached' };
    } finally {
      inFlight--;
    }
  };
}

function readAnswer(text: string | undefined): AuthResult {
  const parsed = text === undefined ? undefined : parseJson(text);
  const answer = parsed?.kind === 'value' ? answerSchema.safeParse(parsed.value) : undefined;
  if (answer?.success !== true) return { kind: 'refused', reason: 'the auth service answered without a uid' };
  return userOf(answer.data.uid, 'the auth service');
}

/** The body, or `undefined` where it is longer than anything that a uid needs. */
async function readBounded(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > answerBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
