import { writeFileSync } from 'node:fs';
import { sizingDocument } from './document.ts';

// Writes docs/sizing.md: node sizing/generate.ts
writeFileSync('docs/sizing.md', sizingDocument());
