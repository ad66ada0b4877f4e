import { createServer } from 'node:http';
import { listen, serveFiles } from '../shared/files.js';

// Pages only: gateways carry the comments, and policies.yaml says who may publish how often.
listen(createServer(serveFiles(new URL('./', import.meta.url))), process.env.PORT ?? 3001);
