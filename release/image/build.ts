import { buildApplication } from './application.ts';

/** What the first stage of the Dockerfile runs: `npm run build:image`. */
await buildApplication('dist/image');
