import { copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeImage } from '../../release/image/archive.ts';
import { buildBase, findOnMachine } from '../../release/image/base.ts';
import { keptLayer } from '../../release/image/layer.ts';
import { buildProductImage } from '../../release/image/product.ts';
import { builtFolder } from './programs.ts';

/**
 * The images of the test node, made without a registry and without a container engine: `pause:1`, `redis:test` (the
 * machine's redis-server) and `barrage:test`, which is the image that `npm run image` builds.
 */
const imagesFolder = join(builtFolder, 'images');
const layersFolder = join(builtFolder, 'layers');

/**
 * Makes the images. Layers of programs are kept from run to run; the repository's own files are always those of now.
 * @throws Error
 */
export async function buildImages(): Promise<void> {
  mkdirSync(imagesFolder, { recursive: true });
  const { architecture } = await buildProductImage({ path: join(imagesFolder, 'barrage-test.tar'), name: 'barrage:test' });
  const pause = join(builtFolder, 'bin/pause');
  const { size, mtimeMs } = statSync(pause);
  const pauseLayer = keptLayer({ folder: layersFolder, name: 'pause', key: `${size} ${mtimeMs}` }, (folder) =>
    copyFileSync(pause, join(folder, 'pause')),
  );
  const made = { architecture, createdAt: new Date(0).toISOString() };
  writeImage(join(imagesFolder, 'pause-1.tar'), { ...made, name: 'pause:1', layers: [pauseLayer], settings: { entrypoint: ['/pause'] } });
  const server = { '/usr/bin/redis-server': { from: findOnMachine('redis-server') } };
  writeImage(join(imagesFolder, 'redis-test.tar'), {
    ...made,
    name: 'redis:test',
    layers: [buildBase({ folder: layersFolder, name: 'redis' }, server).layer],
    settings: { entrypoint: ['redis-server'], user: '999:999' },
  });
}
