import { z } from 'zod';
import { busId } from '../pool/pool-document.ts';
import { setting } from './setting.ts';
import { password, redisUrls } from './settings-values.ts';

const mode = z.enum(['Standalone', 'Sentinel', 'Cluster']);
const prefix = z.string().regex(/^[^\s{}]{1,128}$/);
const id = z.union([z.literal(''), busId]);

/** The way to the bus of a process. */
export const redisSettings = {
  redisUrl: setting({
    variable: 'BARRAGE_REDIS_URL',
    isSecret: true,
    fallback: '',
    accepts:
      'redis:// or rediss:// URL, or several with commas between them; in a user or password # / ? @ , are written %23 %2F %3F %40 %2C',
    schema: redisUrls,
    meaning:
      "Redis that joins gateways and publishers: the server, the Sentinels, or some of the Cluster's nodes. Empty: the all-in-one command uses memory.",
  }),
  redisMode: setting({
    variable: 'BARRAGE_REDIS_MODE',
    fallback: 'Standalone',
    accepts: 'Standalone, Sentinel or Cluster',
    schema: mode,
    meaning: 'Kind of that Redis: one server, a server watched by Sentinels, or a Cluster.',
  }),
  redisSentinelName: setting({
    variable: 'BARRAGE_REDIS_SENTINEL_NAME',
    fallback: '',
    accepts: 'at most 253 characters',
    schema: z.string().max(253),
    meaning: 'Name by which the Sentinels know the master. The mode Sentinel needs it; the other modes refuse it.',
  }),
  redisUsername: setting({
    variable: 'BARRAGE_REDIS_USERNAME',
    fallback: '',
    accepts: 'at most 256 characters',
    schema: z.string().max(256),
    meaning: "User of the Redis servers. Empty: the URL's, or the default user.",
  }),
  redisPassword: setting({
    variable: 'BARRAGE_REDIS_PASSWORD',
    isSecret: true,
    fallback: '',
    accepts: 'at most 1024 characters',
    isVerbatim: true,
    schema: password,
    meaning:
      "Password of the Redis servers, and of Sentinels whose URL has none. Empty: the URL's, which in the mode Sentinel is for the Sentinels.",
  }),
  redisCaFile: setting({
    variable: 'BARRAGE_REDIS_CA_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning: 'PEM file with the authorities to trust with rediss://. Empty: the usual authorities.',
  }),
  redisPrefix: setting({
    variable: 'BARRAGE_REDIS_PREFIX',
    fallback: 'barrage',
    accepts: '1 to 128 characters without spaces or braces',
    schema: prefix,
    meaning: 'Beginning of every Redis key and bus channel.',
  }),
} as const;

/** The bus by its id, and the way to the previous bus of a pool that changes from one to another. */
export const previousBusSettings = {
  bus: setting({
    variable: 'BARRAGE_BUS',
    fallback: '',
    accepts: 'empty, or 1 to 16 lower-case letters and digits',
    schema: id,
    meaning: 'Id by which pool documents name the bus of BARRAGE_REDIS_URL. Empty: what a document says of buses has no effect.',
  }),
  previousBus: setting({
    variable: 'BARRAGE_PREVIOUS_BUS',
    fallback: '',
    accepts: 'empty, or 1 to 16 lower-case letters and digits',
    schema: id,
    meaning:
      "Id of the pool's previous bus. While the pool document lists it, the process uses it too. Needs BARRAGE_BUS and BARRAGE_PREVIOUS_REDIS_URL. Empty: none.",
  }),
  previousRedisUrl: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_URL',
    isSecret: true,
    fallback: '',
    accepts: 'the same as BARRAGE_REDIS_URL',
    schema: redisUrls,
    meaning: 'BARRAGE_REDIS_URL of the previous bus.',
  }),
  previousRedisMode: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_MODE',
    fallback: 'Standalone',
    accepts: 'Standalone, Sentinel or Cluster',
    schema: mode,
    meaning: 'BARRAGE_REDIS_MODE of the previous bus.',
  }),
  previousRedisSentinelName: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_SENTINEL_NAME',
    fallback: '',
    accepts: 'at most 253 characters',
    schema: z.string().max(253),
    meaning: 'BARRAGE_REDIS_SENTINEL_NAME of the previous bus.',
  }),
  previousRedisUsername: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_USERNAME',
    fallback: '',
    accepts: 'at most 256 characters',
    schema: z.string().max(256),
    meaning: 'BARRAGE_REDIS_USERNAME of the previous bus.',
  }),
  previousRedisPassword: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_PASSWORD',
    isSecret: true,
    fallback: '',
    accepts: 'at most 1024 characters',
    isVerbatim: true,
    schema: password,
    meaning: 'BARRAGE_REDIS_PASSWORD of the previous bus.',
  }),
  previousRedisCaFile: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_CA_FILE',
    fallback: '',
    accepts: 'a path',
    schema: z.string(),
    meaning: 'BARRAGE_REDIS_CA_FILE of the previous bus.',
  }),
  previousRedisPrefix: setting({
    variable: 'BARRAGE_PREVIOUS_REDIS_PREFIX',
    fallback: 'barrage',
    accepts: '1 to 128 characters without spaces or braces',
    schema: prefix,
    meaning: 'BARRAGE_REDIS_PREFIX of the previous bus.',
  }),
} as const;
