import { readFileSync, statSync } from 'node:fs';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { animationFile, animationSize, framesMax, pictureBytesMax, screenshotFile, screenshotSize } from '../pictures/pictures.ts';

test('README shows a screenshot and an animation, small enough to load at once', async () => {
  const readme = readFileSync('README.md', 'utf8');
  for (const file of [screenshotFile, animationFile]) {
    expect(readme).toMatch(new RegExp(`!\\[[^\\]]{20,}\\]\\(${file}\\)`));
    expect([file, statSync(file).size < pictureBytesMax]).toEqual([file, true]);
  }
  expect(await sharp(screenshotFile).metadata()).toMatchObject({ format: 'png', ...screenshotSize });
  const animation = await sharp(animationFile, { pages: -1 }).metadata();
  expect(animation).toMatchObject({ format: 'webp', width: animationSize.width, pageHeight: animationSize.height, loop: 0 });
  expect(animation.pages).toBeGreaterThan(20);
  expect(animation.pages).toBeLessThanOrEqual(framesMax);
});

test('the pictures are pictures of something: neither is of one colour', async () => {
  for (const file of [screenshotFile, animationFile]) {
    const { entropy } = await sharp(file).stats();
    expect([file, entropy > 2]).toEqual([file, true]);
  }
});
