import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** One file of the demo, as it is served. */
export interface SiteFile {
  readonly contentType: string;
  readonly body: Buffer;
}

const folder = new URL('./', import.meta.url);
const contentTypes = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

let built: Promise<ReadonlyMap<string, SiteFile>> | undefined;

/**
 * The demo's files by their path: the screen at `/`, the emitter at `/emit`, and their parts under `/assets/`.
 *
 * The files are built in memory, once for each process. The pages load nothing from elsewhere, and have no inline
 * script or style. So they work under `Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:`.
 * @throws when a source does not compile
 */
export function buildSite(): Promise<ReadonlyMap<string, SiteFile>> {
  built ??= bundle();
  return built;
}

async function bundle(): Promise<ReadonlyMap<string, SiteFile>> {
  const path = (name: string): string => fileURLToPath(new URL(name, folder));
  const file = (name: string): Promise<Buffer> => readFile(path(`pages/${name}`));
  const chooser = await file('channel-chooser.html');
  /** A page with the part that both have. */
  const page = async (name: string): Promise<Buffer> =>
    Buffer.from(String(await file(name)).replace('<!-- channel-chooser.html -->', () => chooser.toString()));
  const pictures = ['icon', 'gift-rose', 'gift-party', 'gift-trophy', 'gift-rocket'];
  const [bundled, screen, emit, ...drawn] = await Promise.all([
    build({
      entryPoints: [path('screen.ts'), path('emit.ts'), path('styles/screen.css'), path('styles/emit.css')],
      entryNames: '[name]',
      outdir: path('assets'),
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: ['es2022', 'chrome111', 'firefox113', 'safari16.4'],
      define: { 'process.env.ENGINE': '"dom"' },
      logLevel: 'silent',
    }),
    page('screen.html'),
    page('emit.html'),
    ...pictures.map((name) => file(`${name}.svg`)),
  ]);
  const files = new Map<string, SiteFile>([
    ['/', { contentType: contentTypes.html, body: screen }],
    ['/emit', { contentType: contentTypes.html, body: emit }],
  ]);
  for (const [index, body] of drawn.entries()) files.set(`/assets/${pictures[index]}.svg`, { contentType: contentTypes.svg, body });
  for (const file of bundled.outputFiles) {
    const name = file.path.slice(file.path.lastIndexOf('assets') + 'assets'.length + 1);
    files.set(`/assets/${name}`, {
      contentType: name.endsWith('.css') ? contentTypes.css : contentTypes.js,
      body: Buffer.from(file.contents),
    });
  }
  return files;
}
