import { parentPort, workerData } from 'node:worker_threads';
import { readOffer, type OfferInput } from './pool-offer.ts';

parentPort?.postMessage(readOffer(workerData as OfferInput));
