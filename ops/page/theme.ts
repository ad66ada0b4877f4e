const key = 'barrage-ops-theme';
const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

/** Shows the theme that the reader chose before. Without storage, as in a private window, it is the system's. */
export function applyStoredTheme(): void {
  apply(stored());
}

/** Lets a button go through the themes. */
export function listenToThemeButton(button: HTMLButtonElement): void {
  const show = (theme: Theme): void => {
    button.textContent = `Theme: ${theme}`;
  };
  show(stored());
  button.addEventListener('click', () => {
    const next = themes[(themes.indexOf(stored()) + 1) % themes.length] ?? 'system';
    try {
      localStorage.setItem(key, next);
    } catch {
      // The choice then lasts as long as the page.
      document.documentElement.dataset['chosen'] = next;
    }
    apply(next);
    show(next);
  });
}

function stored(): Theme {
  let found: string | null | undefined = document.documentElement.dataset['chosen'];
  try {
    found ??= localStorage.getItem(key);
  } catch {
    found ??= null;
  }
  return themes.find((theme) => theme === found) ?? 'system';
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

applyStoredTheme();
