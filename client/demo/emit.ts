import { channelCurl, learnPublisher, usualPublisher } from './backend-line.ts';
import { bindChannelChooser } from './channel-chooser.ts';
import { Composer } from './composer.ts';
import { connectToOwnGateway, errorInWords, pageChannel, pageLink } from './connection.ts';
import { element } from './element.ts';
import { LikeButton, Publishing } from './publishing.ts';
import { showStatus } from './status.ts';

/** Most lines of the log. */
const logLinesMax = 100;
/**
 * Most publications of a burst without an answer. At this number the burst waits: the channel does not take that rate.
 */
const unansweredMax = 40;
const tickMs = 100;

const burstTexts = [
  '弹幕来了',
  'hello from the emitter',
  '前方高能',
  'so good',
  '哈哈哈哈',
  'what a show',
  '666',
  'encore!',
  '太美了',
  'more!',
];

/** The emitter page: sends comments, gifts and likes, and shows the outcome of each. */
class Emitter {
  readonly #channel = pageChannel();
  readonly #barrage = connectToOwnGateway();
  readonly #publishing = new Publishing(this.#barrage, this.#channel);
  readonly #log = element('log', HTMLOListElement);
  readonly #sent = element('sent', HTMLElement);
  readonly #refused = element('refused', HTMLElement);
  readonly #composer = new Composer((draft) => this.#report(draft.text, this.#publishing.comment(draft)));
  /** The last comment or gift that was accepted: what the line that takes it back names. */
  #last: { readonly epoch: string; readonly offset: number } | undefined;
  #publisher = usualPublisher;
  #sentCount = 0;
  #refusedCount = 0;
  #unanswered = 0;
  #burst: ReturnType<typeof setInterval> | undefined;

  start(): void {
    for (const place of document.querySelectorAll('.channel-name')) place.textContent = this.#channel;
    for (const link of document.querySelectorAll<HTMLAnchorElement>('.screen-link')) link.href = pageLink('/', this.#channel);
    showStatus(this.#barrage, element('status', HTMLElement), () => undefined);
    this.#barrage.on('state', (state) => {
      if (state === 'open') this.#composer.clearNotice();
    });
    bindChannelChooser('/emit', this.#channel);
    new LikeButton(element('like', HTMLButtonElement), (count) => this.#send(`♥ ×${count}`, this.#publishing.like(count)));
    for (const button of document.querySelectorAll<HTMLButtonElement>('.gift')) {
      const gift = button.dataset['gift'] ?? '';
      button.addEventListener('click', () => this.#send(gift, this.#publishing.gift(gift, 'Emitter')));
    }
    this.#bindBurst();
    this.#showBackendLines();
    learnPublisher().then(
      (publisher) => {
        this.#publisher = publisher;
        this.#showBackendLines();
      },
      () => undefined,
    );
  }

  /** What a backend sends to take the last one back, or all. */
  #showBackendLines(): void {
    const { epoch, offset } = this.#last ?? { epoch: 'EPOCH', offset: 1 };
    const of = { publisher: this.#publisher, channel: this.#channel };
    element('recall-line', HTMLElement).textContent = channelCurl(of, 'recall', { epoch, offsets: [offset] });
    element('clear-line', HTMLElement).textContent = channelCurl(of, 'clear', {});
  }

  /** Calls `#report`, and shows a notice for a refusal. */
  #send(what: string, publishing: Promise<{ readonly epoch: string; readonly offset: number }>): void {
    this.#report(what, publishing).catch((error: unknown) => this.#composer.notice(errorInWords(error)));
  }

  async #report(what: string, publishing: Promise<{ readonly epoch: string; readonly offset: number }>): Promise<void> {
    this.#unanswered++;
    const startedAt = performance.now();
    try {
      const { epoch, offset } = await publishing;
      this.#last = { epoch, offset };
      this.#showBackendLines();
      this.#sentCount++;
      this.#line(what, `#${offset}`, `${Math.round(performance.now() - startedAt)} ms`);
    } catch (error) {
      this.#refusedCount++;
      this.#line(what, 'refused', errorInWords(error));
      throw error;
    } finally {
      this.#unanswered--;
      this.#sent.textContent = String(this.#sentCount);
      this.#refused.textContent = String(this.#refusedCount);
    }
  }

  #line(what: string, place: string, detail: string): void {
    const spare = this.#log.childElementCount >= logLinesMax ? this.#log.lastElementChild : null;
    const line = spare ?? document.createElement('li');
    line.className = place === 'refused' ? 'refused' : '';
    const cells = [what, place, detail].map((text) => {
      const cell = document.createElement('span');
      cell.textContent = text;
      return cell;
    });
    line.replaceChildren(...cells);
    this.#log.prepend(line);
  }

  #bindBurst(): void {
    const button = element('burst', HTMLButtonElement);
    const rate = element('burst-rate', HTMLInputElement);
    const seconds = element('burst-seconds', HTMLInputElement);
    for (const slider of [rate, seconds]) {
      const output = element(`${slider.id}-value`, HTMLOutputElement);
      const show = (): void => {
        output.value = slider === rate ? `${slider.value} a second` : `${slider.value} s`;
        slider.style.setProperty(
          '--filled',
          `${((slider.valueAsNumber - Number(slider.min)) / (Number(slider.max) - Number(slider.min))) * 100}%`,
        );
      };
      slider.addEventListener('input', show);
      show();
    }
    button.addEventListener('click', () => {
      if (this.#burst === undefined) this.#startBurst(button, rate, seconds.valueAsNumber);
      else this.#stopBurst(button);
    });
  }

  #startBurst(button: HTMLButtonElement, rate: HTMLInputElement, seconds: number): void {
    let workedAt = performance.now();
    const endsAt = workedAt + seconds * 1000;
    let owed = 1;
    let number = 0;
    button.classList.add('running');
    this.#burst = setInterval(() => {
      const now = performance.now();
      const left = endsAt - now;
      if (left <= 0) {
        this.#stopBurst(button);
        return;
      }
      button.textContent = `Stop (${Math.ceil(left / 1000)} s)`;
      owed = Math.min(owed + (rate.valueAsNumber * (now - workedAt)) / 1000, unansweredMax);
      workedAt = now;
      for (; owed >= 1 && this.#unanswered < unansweredMax; owed--) {
        const text = `${burstTexts[number % burstTexts.length] ?? ''} ${++number}`;
        this.#report(text, this.#publishing.comment(this.#composer.draft(text))).catch((error: unknown) => {
          this.#composer.notice(errorInWords(error));
          this.#stopBurst(button);
        });
      }
    }, tickMs);
  }

  #stopBurst(button: HTMLButtonElement): void {
    clearInterval(this.#burst);
    this.#burst = undefined;
    button.classList.remove('running');
    button.textContent = 'Start the burst';
  }
}

new Emitter().start();
