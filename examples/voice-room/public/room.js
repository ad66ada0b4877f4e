import { Barrage } from 'http://localhost:6790/barrage.js';

const element = (id) => document.getElementById(id);
const members = new Map();
let self;

const barrage = new Barrage('ws://localhost:6790/');
barrage.on('state', (state) => (element('state').value = state));

// The state of the backend first, then every change after it. After a gap the SDK asks for the state again.
const subscription = barrage.subscribe('voice:lobby', { getState: async () => (await fetch('/state')).json() });
subscription.on('snapshot', ({ state }) => {
  members.clear();
  for (const member of state.members) members.set(member.id, member);
  show();
});
subscription.on('publication', ({ data }) => {
  const { member, left, gift, from, to } = JSON.parse(data);
  if (member !== undefined) members.set(member.id, member);
  if (left !== undefined) members.delete(left);
  if (gift !== undefined) element('gift').textContent = `${from} gave ${to} ${gift}`;
  show();
});

document.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  self = await ask('/join', { name: event.target.elements.name.value });
  if (self === undefined) return;
  event.target.hidden = true;
  element('own').hidden = false;
  setInterval(() => act({ kind: 'here' }), 20_000);
  addEventListener('pagehide', () => navigator.sendBeacon('/act', JSON.stringify({ key: self.key, kind: 'leave' })));
  show();
});
element('hand').addEventListener('click', () => act({ kind: 'hand', on: !members.get(self.id).hasHandUp }));
element('mute').addEventListener('click', () => act({ kind: 'mute', on: !members.get(self.id).isMuted }));

function act(what) {
  return ask('/act', { key: self.key, ...what });
}

async function ask(path, body) {
  try {
    const response = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
    const answer = await response.json();
    element('fault').textContent = answer.error ?? '';
    return response.ok ? answer : undefined;
  } catch {
    element('fault').textContent = 'The server does not answer. Try again.';
    return undefined;
  }
}

function show() {
  const isHost = members.get(self?.id)?.isHost === true;
  element('members').replaceChildren(
    ...[...members.values()].map((member) => {
      const line = document.createElement('li');
      line.append(`${member.isMuted ? '🔇' : '🎙'} ${member.name}${member.isHost ? ' (host)' : ''}${member.hasHandUp ? ' ✋' : ''} `);
      if (member.gifts > 0) line.append(`🌹×${member.gifts} `);
      if (self !== undefined && member.id !== self.id)
        line.append(button('Give a rose', () => act({ kind: 'gift', to: member.id, gift: '🌹' })));
      if (isHost && !member.isMuted && member.id !== self.id)
        line.append(button('Mute', () => act({ kind: 'mute', to: member.id, on: true })));
      return line;
    }),
  );
}

function button(words, press) {
  const made = document.createElement('button');
  made.textContent = words;
  made.addEventListener('click', press);
  return made;
}
