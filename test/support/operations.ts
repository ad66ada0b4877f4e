import type { Snapshot } from '../../ops/view/snapshot.ts';

/** The first snapshot of a stream of an operations page. @throws Error where there is none */
export async function firstSnapshot(url: string): Promise<Snapshot> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, data] = /^event: snapshot\ndata: (.*)\n$/m.exec(text) ?? [];
    if (data !== undefined) return JSON.parse(data) as Snapshot;
  }
  throw new Error(`no snapshot in ${text}`);
}
