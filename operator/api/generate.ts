import { writeFileSync } from 'node:fs';
import { generatedFiles } from './generation/files.ts';

// Writes the types, the defaults, the shapes and the API reference from crds/: `node operator/api/generate.ts`.
for (const [path, text] of await generatedFiles()) writeFileSync(new URL(`../../${path}`, import.meta.url), text);
