/** Makes a row of `role=tab` buttons choose among the panels that they control. Arrow keys move between the tabs. */
export function bindTabs(list: HTMLElement): void {
  const tabs = [...list.querySelectorAll<HTMLButtonElement>('[role=tab]')];
  const choose = (chosen: HTMLButtonElement): void => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute('aria-controls') ?? '');
      panel?.classList.toggle('chosen', selected);
    }
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener('click', () => choose(tab));
    tab.addEventListener('keydown', (event) => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      // Tabs that a page of this width does not need are skipped.
      let next = tabs[(index + step + tabs.length) % tabs.length];
      if (next?.offsetParent === null) next = tabs[(index + 2 * step + tabs.length) % tabs.length];
      if (step === 0 || next === undefined) return;
      choose(next);
      next.focus();
    });
  }
}
