import { backendCurl, learnPublisher, usualPublisher } from './backend-line.ts';
import { Backdrop } from './backdrop.ts';
import { readPayload, type Payload } from './comment.ts';
import { bindChannelChooser } from './channel-chooser.ts';
import { Composer } from './composer.ts';
import { connectToOwnGateway, errorInWords, pageChannel, pageId, pageLink } from './connection.ts';
import { bindDisplayPanel } from './display-panel.ts';
import { Gifts, Hearts } from './effects.ts';
import { bindFullScreen } from './full-screen.ts';
import { giftInWords } from './gift.ts';
import { element } from './element.ts';
import { Feed, type FeedLine } from './feed.ts';
import { Numbers } from './numbers.ts';
import { LikeButton, Publishing } from './publishing.ts';
import { publishSamples } from './samples.ts';
import { loadSettings, saveSettings, type DisplaySettings } from './settings.ts';
import { Stage } from './stage.ts';
import { Tally } from './statistics.ts';
import { showStatus } from './status.ts';
import { bindTabs } from './tabs.ts';
import { Watcher, type ReceivedBatch } from './watcher.ts';

/** Longest time over which the comments of one batch enter, in milliseconds, so that they are not in one column. */
const spreadMsMax = 400;
const likeFormat = new Intl.NumberFormat('en');

/** The screen page: the channel's publications fly over the picture and stand in the list. */
class Screen {
  readonly #channel = pageChannel();
  readonly #barrage = connectToOwnGateway();
  readonly #publishing = new Publishing(this.#barrage, this.#channel, () => this.#watcher.joined());
  readonly #tally = new Tally();
  readonly #hearts = new Hearts(element('hearts', HTMLElement));
  readonly #gifts = new Gifts(element('gifts', HTMLElement), (count) => this.#missed(count));
  readonly #backdrop = new Backdrop(element('lights', HTMLCanvasElement), element('crowd', HTMLCanvasElement));
  readonly #hint = element('hint', HTMLElement);
  readonly #likes = element('likes', HTMLElement);
  readonly #feed = new Feed({
    viewport: element('feed', HTMLElement),
    canvas: element('feed-lines', HTMLElement),
    more: element('feed-more', HTMLButtonElement),
    empty: element('feed-empty', HTMLElement),
  });
  readonly #composer = new Composer((draft) => this.#publishing.comment(draft));
  readonly #watcher = new Watcher(this.#barrage, this.#channel, {
    batch: (batch) => this.#batch(batch),
    gap: () => {
      this.#tally.gaps++;
    },
    recall: (isRecalled) => this.#recall(isRecalled),
    refused: (error) => this.#composer.notice(errorInWords(error)),
    delay: () => this.#settings.behind * 1000,
  });
  readonly #refreshStatus = showStatus(this.#barrage, element('status', HTMLElement), () => this.#pausedWord());
  #settings = loadSettings();
  readonly #stage = new Stage({
    container: element('stage', HTMLElement),
    settings: this.#settings,
    notShown: (count) => this.#missed(count),
  });
  #batchAt = 0;
  #publisher = usualPublisher;

  start(): void {
    for (const place of document.querySelectorAll('.channel-name')) place.textContent = this.#channel;
    element('emit-link', HTMLAnchorElement).href = pageLink('/emit', this.#channel);
    element('curl', HTMLElement).textContent = this.#curl();
    this.#learnPublisher().catch(() => undefined);
    bindTabs(element('tabs', HTMLElement));
    bindDisplayPanel(this.#settings, (settings) => this.#changed(settings));
    this.#stage.configure(this.#settings);
    this.#watcher.setDensity(this.#settings.density);
    document.addEventListener('visibilitychange', () => this.#follow());
    this.#follow();
    new Numbers(this.#tally, { flying: () => this.#stage.flying, held: () => this.#watcher.held }).ask(this.#barrage, this.#channel);
    new LikeButton(element('like', HTMLButtonElement), (count) => {
      this.#publishing.like(count).then(
        () => this.#composer.clearNotice(),
        (error: unknown) => this.#composer.notice(errorInWords(error)),
      );
    });
    this.#barrage.on('state', (state) => {
      if (state === 'open') this.#composer.clearNotice();
    });
    bindChannelChooser('/', this.#channel);
    bindFullScreen(element('full-screen', HTMLButtonElement));
    this.#bindHint();
    this.#publishInside();
  }

  /** Consumes only while it is on and in sight. */
  #follow(): void {
    const watches = this.#settings.on && !document.hidden;
    if (watches) this.#stage.show();
    else {
      this.#stage.hide();
      this.#gifts.clear();
    }
    document.body.classList.toggle('off', !this.#settings.on);
    this.#watcher.watch(watches);
    this.#refreshStatus();
  }

  #changed(settings: DisplaySettings): void {
    this.#settings = settings;
    saveSettings(settings);
    this.#stage.configure(settings);
    this.#watcher.setDensity(settings.density);
    this.#follow();
  }

  #batch(batch: ReceivedBatch): void {
    const now = performance.now();
    const span = Math.min(spreadMsMax, now - this.#batchAt);
    this.#batchAt = now;
    this.#tally.batch(batch.publications.length, batch.leftOut, now);
    const lines: FeedLine[] = [];
    for (const [index, publication] of batch.publications.entries()) {
      const payload = readPayload(publication.data);
      if (payload !== undefined)
        this.#show(payload, {
          lines,
          delayMs: (span * index) / batch.publications.length,
          count: publication.count ?? 1,
          offset: publication.offset,
          acceptedAt: publication.acceptedAt,
        });
    }
    if (batch.publications.length > 0) {
      this.#hint.hidden = true;
      this.#backdrop.excite(0.1 + Math.min(0.2, batch.publications.length * 0.02));
    }
    this.#feed.push(lines);
  }

  /** Takes recalled comments and gifts off the screen and out of the list. Likes that were counted stay. */
  #recall(isRecalled: (offset: number) => boolean): void {
    this.#stage.remove(isRecalled);
    this.#gifts.remove(isRecalled);
    this.#feed.remove(isRecalled);
  }

  #show(
    payload: Payload,
    how: {
      readonly lines: FeedLine[];
      readonly delayMs: number;
      readonly count: number;
      readonly offset: number;
      readonly acceptedAt: number | undefined;
    },
  ): void {
    if (payload.kind === 'like') {
      this.#tally.likes += how.count;
      this.#likes.textContent = likeFormat.format(this.#tally.likes);
      this.#hearts.rise(how.count);
      return;
    }
    // What comes from a shell or a file does not say when it was sent.
    const since = payload.at ?? how.acceptedAt;
    if (since !== undefined) this.#tally.agesMs.add(Date.now() - since);
    const own = payload.by === pageId;
    const { offset } = how;
    if (payload.kind === 'gift') {
      this.#gifts.show(payload, offset);
      this.#backdrop.excite(0.7);
      how.lines.push({ text: `${payload.from} sent ${giftInWords(payload.gift)}`, color: '#ffd166', kind: 'gift', own, offset });
      return;
    }
    this.#stage.offer({ comment: payload, own, offset }, how.delayMs);
    how.lines.push({ text: payload.text, color: payload.color, kind: 'comment', own, offset });
  }

  #missed(count: number): void {
    this.#tally.notShown += count;
  }

  #pausedWord(): string | undefined {
    if (this.#settings.on && !document.hidden) return undefined;
    return 'Paused';
  }

  /** The curl names the publisher of this page's server. */
  async #learnPublisher(): Promise<void> {
    this.#publisher = await learnPublisher();
    element('curl', HTMLElement).textContent = this.#curl();
  }

  #curl(): string {
    return backendCurl(this.#publisher, '/v1/mesh/publish', { c: this.#channel, d: 'Hello, 弹幕!' });
  }

  #bindHint(): void {
    const samples = element('samples', HTMLButtonElement);
    samples.addEventListener('click', () => {
      samples.disabled = true;
      publishSamples(this.#publishing)
        .catch((error: unknown) => this.#composer.notice(errorInWords(error)))
        .finally(() => {
          samples.disabled = false;
        });
    });
    const copy = element('copy', HTMLButtonElement);
    copy.addEventListener('click', () => {
      navigator.clipboard.writeText(this.#curl()).then(
        () => {
          copy.textContent = 'Copied';
        },
        () => this.#composer.notice('The browser does not let this page copy. Select the line instead.'),
      );
    });
  }

  /** Exposes the numbers of held objects as `barrageDemo`, so that anybody can check that they stay bounded. */
  #publishInside(): void {
    Object.defineProperty(globalThis, 'barrageDemo', {
      value: {
        inside: () => ({
          ...this.#stage.held,
          flying: this.#stage.flying,
          feed: this.#feed.count,
          subscribed: this.#watcher.subscribed,
          held: this.#watcher.held,
          tally: this.#tally,
        }),
      },
    });
  }
}

new Screen().start();
