import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/**
 * Starts the system's Chromium, without a window. The caller closes it.
 * @param more arguments besides those that it always needs here
 * @throws with the command that installs it, where there is none
 */
export async function launchChromium(more: readonly string[] = []): Promise<Browser> {
  const executablePath = await findChromium();
  const isRoot = process.getuid?.() === 0;
  // Chromium's sandbox refuses to run as root; shared memory is small in containers.
  return chromium.launch({ executablePath, args: ['--disable-dev-shm-usage', ...(isRoot ? ['--no-sandbox'] : []), ...more] });
}

async function findChromium(): Promise<string> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin'].filter((folder) => folder !== '');
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
  }
  throw new Error('the tests of the demo need Chromium and a Chinese font. Install them: apt-get install -y chromium fonts-wqy-microhei');
}
