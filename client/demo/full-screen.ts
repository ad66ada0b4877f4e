/** Fills the screen with the picture and the composer, by the button or by the key f; Escape ends it. */
export function bindFullScreen(button: HTMLButtonElement): void {
  // A phone's browser may have none.
  button.hidden = !document.fullscreenEnabled;
  const toggle = (): void => {
    const done = document.fullscreenElement === null ? document.documentElement.requestFullscreen() : document.exitFullscreen();
    // The browser may refuse; then nothing has changed.
    done.catch(() => undefined);
  };
  button.addEventListener('click', toggle);
  document.addEventListener('keydown', (event) => {
    const isTyped = event.target instanceof HTMLInputElement && event.target.type === 'text';
    if (event.key === 'f' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyped && !button.hidden) toggle();
  });
  document.addEventListener('fullscreenchange', () => {
    const isFull = document.fullscreenElement !== null;
    document.body.classList.toggle('full', isFull);
    button.setAttribute('aria-pressed', String(isFull));
  });
}
