/** What README.md shows. `npm run pictures` makes it. */

export const screenshotFile = 'docs/pictures/screen.png';
export const animationFile = 'docs/pictures/comments.webp';

/** In pixels. */
export const screenshotSize = { width: 1280, height: 720 } as const;
export const animationSize = { width: 720, height: 405 } as const;

/** Largest picture, in bytes. */
export const pictureBytesMax = 1_500_000;
export const framesMax = 48;
