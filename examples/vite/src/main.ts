import { Barrage } from '@barrage-live/client';

const gateway: string = import.meta.env['VITE_BARRAGE_URL'] ?? 'ws://localhost:6790/';
const channel = 'video:1';
const linesMax = 50;
const [state, why, comments] = ['#state', '#why', '#comments'].map((selector) => document.querySelector(selector) as HTMLElement);

// Without `pull`, which a public channel gives to pages of any origin: here the refusal is to be seen.
const barrage = new Barrage(gateway, { transports: ['websocket', 'sse'] });
barrage.on('state', (now) => {
  state.textContent = now;
  if (now === 'open') why.textContent = '';
});
barrage.on('error', async ({ message }) => {
  // A browser tells a page neither status nor reason of a refused connection. This question is open to every origin.
  const question = new URL(`/v1/connect?channel=${channel}`, gateway.replace(/^ws/, 'http'));
  const answers = await fetch(question).then(
    ({ ok }) => ok,
    () => false,
  );
  if (barrage.state === 'open') return;
  why.textContent = answers
    ? `The gateway answers, and takes no connection of this page. Add ${location.origin} to BARRAGE_GATEWAY_ORIGINS.`
    : message;
});

barrage.subscribe(channel).on('publication', ({ data }) => {
  const line = document.createElement('li');
  line.textContent = String(data);
  comments.append(line);
  if (comments.childElementCount > linesMax) comments.firstElementChild?.remove();
});
