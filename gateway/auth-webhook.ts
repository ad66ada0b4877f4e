import { z } from 'zod';
import { channelNameFault, userChannel } from '../core/channel.ts';
import { parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

export type AuthResult =
  | { readonly kind: 'user'; readonly uid: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'late' };

/** Turns a client's token into a user; never throws. */
export type Authenticate = (token: string) => Promise<AuthResult>;

const answerSchema = z.object({ uid: z.union([z.string().min(1), z.int()]) });
const answerBytesMax = 65_536;

/**
 * CONNMIX's auth webhook: POST `{"token"}` to the URL; 200 with `{"uid"}` (a string or a whole number) is the user, anything else a refusal. No
 * answer within `limits.authTimeoutMs` is `late`. Without a URL every token is refused.
 * @see CONNMIX "user message centre"
 */
export function authWebhook(url: string): Authenticate {
  if (url === '') return () => Promise.resolve({ kind: 'refused', reason: 'no auth service is configured (BARRAGE_AUTH_URL)' });
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
  const uid = String(answer.data.uid);
  const fault = channelNameFault(userChannel(uid));
  return fault === undefined
    ? { kind: 'user', uid }
    : { kind: 'refused', reason: `the auth service gave a uid that no channel can be named after: ${fault}` };
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
