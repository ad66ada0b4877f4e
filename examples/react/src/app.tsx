import type { Barrage } from '@barrage-live/client';
import { useState, type ReactElement, type SubmitEvent } from 'react';
import type { Entry } from './channel-store.ts';
import { useBarrage, useChannel, useConnectionState } from './use-channel.ts';

const url = import.meta.env['VITE_BARRAGE_URL'] ?? 'ws://localhost:6790/';

export function App(): ReactElement {
  const barrage = useBarrage(url);
  const state = useConnectionState(barrage);
  const [isShown, setShown] = useState(true);
  return (
    <main>
      <h1>Comments</h1>
      <p>
        Connection: <output id="connection">{state}</output> <button onClick={() => setShown(!isShown)}>{isShown ? 'Hide' : 'Show'}</button>
      </p>
      {isShown && <Comments barrage={barrage} channel="video:1" />}
    </main>
  );
}

function Comments({ barrage, channel }: { readonly barrage: Barrage | undefined; readonly channel: string }): ReactElement {
  const { entries, state, leftOut, error } = useChannel(barrage, channel);
  const [text, setText] = useState('');
  const [refusal, setRefusal] = useState('');

  const publish = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      await barrage?.publish(channel, { text });
      setText('');
      setRefusal('');
    } catch (failure) {
      setRefusal(String(failure));
    }
  };

  return (
    <section aria-label={channel}>
      <form onSubmit={(event) => void publish(event)}>
        <input value={text} onChange={({ target }) => setText(target.value)} placeholder="Say something" maxLength={100} required />{' '}
        <button>Send</button>
      </form>
      <p role="status">
        {state}
        {leftOut > 0 && `, ${leftOut} left out`} {error} {refusal}
      </p>
      <ul>
        {entries.map((entry) => (
          <li key={entry.key} className={entry.kind}>
            {wordsOf(entry)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function wordsOf(entry: Entry): string {
  if (entry.kind === 'gap') return entry.missed === undefined ? 'Some comments were missed' : `Missed comments: ${entry.missed}`;
  const times = entry.count > 1 ? ` ×${entry.count}` : '';
  return `${textOf(entry.data)}${times}`;
}

/** The text of a comment `{"text"}`; other payloads as they are. */
function textOf(data: string): string {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === 'object' && value !== null && 'text' in value) return String(value.text);
  } catch {
    // A plain text.
  }
  return data;
}
