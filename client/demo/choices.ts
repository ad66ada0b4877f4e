import { colourNames, commentColours, commentDefaults, commentModes, commentSizes, type CommentMode } from './comment.ts';

const modeNames: Readonly<Record<CommentMode, string>> = { scroll: 'Scroll', top: 'Top', bottom: 'Bottom', reverse: 'Reverse' };

/** A group of radio buttons drawn as chips; arrow keys move the choice. */
interface Chips<Value> {
  readonly value: Value;
}

/** Fills a container with one chip for each mode. */
export function modeChips(container: HTMLElement): Chips<CommentMode> {
  return chips(container, { name: 'mode', values: commentModes, initial: commentDefaults.mode }, (mode, label) => {
    label.append(modeIcon(mode), modeNames[mode]);
  });
}

export function sizeChips(container: HTMLElement): Chips<number> {
  return chips(container, { name: 'size', values: commentSizes, initial: commentDefaults.size }, (size, label) => {
    label.append(String(size));
  });
}

export function colourChips(container: HTMLElement): Chips<string> {
  return chips(container, { name: 'colour', values: commentColours, initial: commentDefaults.color }, (colour, label) => {
    label.classList.add('colour');
    label.title = colourNames[colour];
    label.style.setProperty('--chip', colour);
    const words = document.createElement('span');
    words.className = 'unseen';
    words.textContent = colourNames[colour];
    label.append(words);
  });
}

function chips<Value extends string | number>(
  container: HTMLElement,
  options: { readonly name: string; readonly values: readonly Value[]; readonly initial: Value },
  decorate: (value: Value, label: HTMLLabelElement) => void,
): Chips<Value> {
  let chosen = options.initial;
  container.setAttribute('role', 'radiogroup');
  for (const value of options.values) {
    const label = document.createElement('label');
    label.className = 'chip';
    const radio = document.createElement('input');
    radio.type = 'radio';
    radio.name = `${container.id}-${options.name}`;
    radio.value = String(value);
    radio.checked = value === options.initial;
    radio.addEventListener('change', () => {
      chosen = value;
    });
    label.append(radio);
    decorate(value, label);
    container.append(label);
  }
  return {
    get value() {
      return chosen;
    },
  };
}

function modeIcon(mode: CommentMode): HTMLElement {
  const icon = document.createElement('span');
  icon.className = `mode-icon ${mode}`;
  icon.setAttribute('aria-hidden', 'true');
  return icon;
}
