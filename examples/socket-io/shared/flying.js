const stage = document.querySelector('#stage');
const flightMs = 9000;

/** Lets a comment fly across the stage: `{ text, mode, size, color }`, where mode is `scroll`, `reverse`, `top` or `bottom`. */
export function fly({ text, mode, size, color }) {
  const comment = document.createElement('p');
  // What others wrote is text, never HTML.
  comment.textContent = text;
  comment.style.color = color;
  comment.style.fontSize = `${size}px`;
  stage.append(comment);
  const end = stage.clientWidth;
  const begin = -comment.offsetWidth;
  const middle = (end + begin) / 2;
  const [from, to] = { scroll: [end, begin], reverse: [begin, end] }[mode] ?? [middle, middle];
  const room = stage.clientHeight - comment.offsetHeight;
  comment.style.top = `${{ top: 0, bottom: room }[mode] ?? Math.random() * room}px`;
  const flight = comment.animate({ transform: [`translateX(${from}px)`, `translateX(${to}px)`] }, flightMs);
  flight.onfinish = () => comment.remove();
}
