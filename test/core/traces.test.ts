import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSampled, samplers, samplingOf } from '../../core/trace-sampling.ts';
import { readTraceparent, sampledTraceparent, writeTraceparent } from '../../core/traceparent.ts';
import { readSettings } from '../../core/process/settings.ts';
import { samplingFrom } from '../../core/process/trace-settings.ts';
import { attributesDocument, spansDocument } from './traces-document.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const parent = { traceId, spanId, isSampled: true };

test('docs/traces.md has every span and every attribute, with its meaning', () => {
  const document = readFileSync('docs/traces.md', 'utf8');
  expect(document).toContain(spansDocument());
  expect(document).toContain(attributesDocument());
});

test('a traceparent is read as the standard has it', () => {
  expect(readTraceparent(`00-${traceId}-${spanId}-01`)).toEqual(parent);
  expect(readTraceparent(`00-${traceId}-${spanId}-00`)).toEqual({ ...parent, isSampled: false });
  // Other flags are for others; a later version may append to this one.
  expect(readTraceparent(`00-${traceId}-${spanId}-03`)?.isSampled).toBe(true);
  expect(readTraceparent(`01-${traceId}-${spanId}-01-what-comes-later`)).toEqual(parent);
});

test.each([
  `00-${traceId}-${spanId}-01-more`,
  `ff-${traceId}-${spanId}-01`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `01-${traceId}-${spanId}-01-${'x'.repeat(128)}`,
  '',
])('a text that is no traceparent begins a new trace: %s', (text) => {
  expect(readTraceparent(text)).toBeUndefined();
});

test('what is written is read again', () => {
  const hexadecimal = (length: number) =>
    fc
      .string({ unit: fc.constantFrom('0', '1', '7', '9', 'a', 'f'), minLength: length, maxLength: length })
      .filter((text) => !/^0+$/.test(text));
  fc.assert(
    fc.property(hexadecimal(32), hexadecimal(16), (trace, span) => {
      expect(readTraceparent(writeTraceparent({ traceId: trace, spanId: span }))).toEqual({
        traceId: trace,
        spanId: span,
        isSampled: true,
      });
    }),
  );
});

test('a process without traces passes on only what is sampled', () => {
  expect(sampledTraceparent(`00-${traceId}-${spanId}-01`)).toBe(`00-${traceId}-${spanId}-01`);
  for (const other of [`00-${traceId}-${spanId}-00`, 'no such thing', undefined]) expect(sampledTraceparent(other)).toBeUndefined();
});

const never = (): number => 0.999_999;
const always = (): number => 0;

test('a sampler decides as its name says', () => {
  const decisions = samplers.map((name) => {
    const sampling = samplingOf(name, 0.5);
    return [
      name,
      isSampled(sampling, undefined, always),
      isSampled(sampling, undefined, never),
      isSampled(sampling, parent, never),
      isSampled(sampling, { ...parent, isSampled: false }, always),
    ];
  });
  // The last 32 bits of the trace id are 0x1c80319c: a place of 0.11.
  expect(decisions).toEqual([
    ['always_on', true, true, true, true],
    ['always_off', false, false, false, false],
    ['traceidratio', true, false, true, true],
    ['parentbased_always_on', true, true, true, false],
    ['parentbased_always_off', false, false, true, false],
    ['parentbased_traceidratio', true, false, true, false],
  ]);
  expect(isSampled(samplingOf('traceidratio', 0.1), parent, always)).toBe(false);
});

test('a ratio of nothing samples nothing, and one of all everything, whatever chance says', () => {
  expect(isSampled(samplingOf('traceidratio', 0), undefined, always)).toBe(false);
  expect(isSampled(samplingOf('traceidratio', 1), undefined, () => 1 - Number.EPSILON)).toBe(true);
});

function settingsWith(variables: Readonly<Record<string, string>>) {
  return readSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', ...variables });
}

test('the sampler in force is the given one, or the one that suits the process', () => {
  const samplingWith = (variables: Readonly<Record<string, string>>) => {
    const read = settingsWith(variables);
    if (read.kind === 'faults') throw new Error(read.faults.join('\n'));
    return samplingFrom(read.settings, 'parentbased_traceidratio').sampling;
  };
  expect(samplingWith({})).toEqual({ ratio: 0.01, isParentBased: true });
  expect(samplingWith({ OTEL_TRACES_SAMPLER_ARG: '0.25' })).toEqual({ ratio: 0.25, isParentBased: true });
  expect(samplingWith({ OTEL_TRACES_SAMPLER: 'traceidratio' })).toEqual({ ratio: 1, isParentBased: false });
  expect(samplingWith({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '.001' }).ratio).toBe(0.001);
});

const wrong = {
  OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  OTEL_TRACES_SAMPLER: 'sometimes',
  OTEL_TRACES_SAMPLER_ARG: '1.5',
};

test('settings that can never work are refused, all at once', () => {
  const read = settingsWith(wrong);
  expect(read).toEqual({
    kind: 'faults',
    faults: [
      'OTEL_EXPORTER_OTLP_PROTOCOL="grpc": must be http/protobuf or http/json',
      `OTEL_TRACES_SAMPLER="sometimes": must be ${samplers.slice(0, -1).join(', ')} or parentbased_traceidratio`,
      'OTEL_TRACES_SAMPLER_ARG="1.5": must be a number from 0 to 1',
    ],
  });
});

test("a platform's variables for other programs do no harm where there are no traces", () => {
  expect(readSettings(wrong).kind).toBe('settings');
  expect(settingsWith({ ...wrong, OTEL_SDK_DISABLED: 'TRUE' }).kind).toBe('settings');
  expect(settingsWith({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }).kind).toBe('faults');
});
