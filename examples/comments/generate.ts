import { writeFile } from 'node:fs/promises';
import { concertComments } from './concert.ts';

// Writes concert.xml anew. The same words always give the same file.
await writeFile(new URL('concert.xml', import.meta.url), concertComments());
