import { advice } from './advice.ts';

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as it may stand in markup, between tags or in a quoted attribute. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? '');
}

/** `/ops/help`: every finding with its meaning and remedy. A finding on the page leads to its anchor here. */
export function helpPage(): string {
  const entries = Object.entries(advice).map(
    ([name, { severity, title, meaning, remedy, page }]) => `
      <section class="panel help" id="${escaped(name)}">
        <h2><span class="mark ${severity}" aria-hidden="true"></span>${escaped(title)}</h2>
        <dl>
          <dt>Means</dt><dd>${escaped(meaning)}</dd>
          <dt>Do</dt><dd>${escaped(remedy)}</dd>
          <dt>More</dt><dd><code>${escaped(page)}</code> in the repository</dd>
        </dl>
      </section>`,
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>What to do · Barrage operations</title>
    <link rel="icon" type="image/svg+xml" href="/ops/page/icon.svg" />
    <link rel="stylesheet" href="/ops/page/ops.css" />
    <script type="module" src="/ops/page/theme.ts"></script>
  </head>
  <body>
    <header class="bar">
      <a class="brand" href="/ops"><img src="/ops/page/icon.svg" alt="" width="22" height="22" /> Barrage</a>
      <span class="grow"></span>
      <a class="button" href="/ops">Back to the figures</a>
    </header>
    <main class="helps">
      <h1>What to do</h1>
      ${entries.join('')}
    </main>
  </body>
</html>
`;
}
