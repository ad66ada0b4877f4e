import type { Address } from './addresses.ts';
import type { ClientClock } from './client-clock.ts';
import { connectAddressOf, readDirections, type Directions } from './directions.ts';
import { BarrageError } from './errors.ts';
import { put, type Question } from './question.ts';

/** Longest wait for an answer to `GET /v1/connect`, in milliseconds, for all gateways that are asked in turn. */
const askTimeoutMs = 5_000;
/** Most gateways that are asked after one failed dial: the failed one, and others of the client's own addresses. */
const askedMax = 3;

/** What is to be asked, and for whom. */
export interface Asker {
  readonly clock: ClientClock;
  /** The channel for which gateways are asked. */
  readonly channel: () => string;
}

/** An address to try. */
export interface Stop extends Address {
  /** The URL to ask if it can't be reached; that of its own origin where absent. */
  readonly askUrl?: string;
}

/** What is asked about one address. */
export interface Inquiry extends Asker {
  /** The URL to ask first, or the gateway that could not be reached. */
  readonly about: Stop;
  /** Further addresses to ask. */
  readonly others: readonly Address[];
  /** URLs that were tried: an answer that repeats them says nothing new. */
  readonly tried: ReadonlySet<string>;
  /** The first question, where it was put already. */
  readonly begun?: Question | undefined;
}

/** What the answers to a question say. */
export interface Answer {
  /** Gateways to try; absent where no answer was any good. */
  readonly stops?: readonly Stop[];
  readonly backoff?: Directions['backoff'];
  /** The transport to come with, where no other gateway is left to try. */
  readonly transport?: string | undefined;
  /** Whether the gateway in question answers requests, and not that it is crowded. */
  readonly isReached?: boolean;
  /** Why the gateway in question refuses this page: no browser shows it. */
  readonly refused?: BarrageError | undefined;
  /** Why there is no gateway to try. */
  readonly error?: BarrageError | undefined;
}

/** Asks `GET /v1/connect` where to connect. Does not reject. */
export async function ask({ about, others, tried, begun, ...asker }: Inquiry): Promise<Answer> {
  const askUrl = askUrlOf(about);
  const { answer, reached } = await askInTurn([...new Set([askUrl, ...others.map(askUrlOf)])].slice(0, askedMax), asker, begun);
  if (answer instanceof BarrageError) return { error: answer, isReached: reached === askUrl };
  const { urls, backoff, isCrowded, transport, refused } = answer;
  const stops = urls.filter((url) => !tried.has(url)).map((url): Stop => ({ kind: 'gateway', url, askUrl }));
  return {
    stops,
    backoff,
    transport: stops.length <= 1 ? transport : undefined,
    isReached: reached === askUrl && !isCrowded,
    refused: refused === undefined ? undefined : new BarrageError('forbidden', refused, true),
    error: stops.length > 0 ? undefined : failure(askUrl, 'it named only gateways that were tried just now'),
  };
}

/**
 * The gateways for a client that is told to come back through its own addresses, the first to try first.
 * @throws BarrageError
 */
export async function homesOf(addresses: readonly Address[], asker: Asker): Promise<readonly string[]> {
  const first = addresses.findIndex(({ kind }) => kind === 'gateway');
  const gateways = addresses.filter(({ kind }) => kind === 'gateway').map(({ url }) => url);
  if (first === 0) return gateways;
  // Those that are asked before the first gateway that needs no question.
  const { answer } = await askInTurn(addresses.slice(0, first < 0 ? askedMax : first).map(askUrlOf), asker);
  if (!(answer instanceof BarrageError)) return [...answer.urls, ...gateways];
  if (gateways.length === 0) throw answer;
  return gateways;
}

function askUrlOf({ kind, url, askUrl }: Stop): string {
  return askUrl ?? (kind === 'connect' ? url : connectAddressOf(url));
}

interface Given {
  readonly answer: Directions | BarrageError;
  /** The URL that was asked last and answered anything. */
  readonly reached: string | undefined;
}

/**
 * Asks the URLs in turn until one gives a good answer. A gateway that does not answer in its share of the time delays
 * the next question, and is still listened to. Does not reject: the result is the last error.
 */
async function askInTurn(askUrls: readonly string[], { clock, channel }: Asker, begun?: Question): Promise<Given> {
  const { abort } = begun ?? { abort: new AbortController() };
  const cancel = clock.after(askTimeoutMs, () => abort.abort(new Error(`no answer in ${askTimeoutMs} ms`)));
  let cancelNext = (): void => {};
  let reached: string | undefined;
  const askOne = async (askUrl: string): Promise<Directions | BarrageError> => {
    try {
      const response = await (begun !== undefined && askUrl === askUrls[0] ? begun.response : put(askUrl, channel, abort.signal));
      if (response.status < 500) reached = askUrl;
      const directions = response.ok ? readDirections(await response.json(), askUrl) : undefined;
      return directions ?? failure(askUrl, response.ok ? 'it named no gateway that may be gone to' : `HTTP status ${response.status}`);
    } catch (cause) {
      return failure(askUrl, cause instanceof Error ? cause.message : String(cause));
    }
  };
  const answer = await new Promise<Directions | BarrageError>((resolve) => {
    let asked = 0;
    let open = 0;
    const next = (): void => {
      cancelNext();
      const askUrl = askUrls[asked];
      if (askUrl === undefined || abort.signal.aborted) return;
      asked++;
      open++;
      if (asked < askUrls.length) cancelNext = clock.after(askTimeoutMs / askUrls.length, next);
      void askOne(askUrl).then((given) => {
        open--;
        if (!(given instanceof BarrageError)) return resolve(given);
        next();
        if (open === 0) resolve(given);
      });
    };
    next();
  });
  cancel();
  cancelNext();
  // Answers that come later are not wanted any more.
  abort.abort();
  return { answer, reached };
}

function failure(askUrl: string, why: string): BarrageError {
  return new BarrageError('disconnected', `${askUrl} did not say where to connect: ${why}`, true);
}
