import { writeFileSync } from 'node:fs';
import { generatedFiles } from './files.ts';

// Writes the list of metrics and their page from the code: `node monitoring/metrics/generate.ts`.
for (const [path, text] of generatedFiles()) writeFileSync(new URL(`../../${path}`, import.meta.url), text);
