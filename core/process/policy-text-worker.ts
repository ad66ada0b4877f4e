import { parentPort, workerData } from 'node:worker_threads';
import { parsePolicyText } from './policy-text.ts';

parentPort?.postMessage(parsePolicyText(workerData as string));
