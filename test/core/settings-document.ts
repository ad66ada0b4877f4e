import { settingsTable } from '../../core/process/settings-table.ts';

/** The table of all settings as Markdown: `docs/settings.md` holds it, and a test compares the two. */
export function settingsDocument(): string {
  const rows = Object.values(settingsTable).map(({ variable, fallback, accepts, meaning, ...about }) => {
    const isHostName = variable === 'BARRAGE_GATEWAY_NAME' || variable === 'BARRAGE_OPERATOR_NAME';
    const shown = isHostName ? 'the host name' : fallback === '' ? 'empty' : `\`${fallback}\``;
    const withTls = 'fallbackWithTls' in about ? `, with TLS \`${about.fallbackWithTls}\`` : '';
    return `| \`${variable}\` | ${shown}${withTls} | ${accepts} | ${meaning} |`;
  });
  return ['| variable | default | accepts | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
