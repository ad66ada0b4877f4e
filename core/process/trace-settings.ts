import { z } from 'zod';
import { samplers, samplingOf, type SamplerName, type Sampling } from '../trace-sampling.ts';
import { setting } from './setting.ts';
import { webUrl } from './settings-values.ts';

const protocols = ['http/protobuf', 'http/json'] as const;
const samplerWords = `${samplers.slice(0, -1).join(', ')} or ${samplers.at(-1)}`;
const ratioForm = /^(?:[01]|[01]?[.][0-9]{1,12})$/;

/**
 * The way to a collector of traces, by OpenTelemetry's own variables. A platform may set them for every process. So
 * their values matter only with an endpoint, and are checked by `traceFaults`.
 */
export const traceSettings = {
  otlpEndpoint: setting({
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    isSecret: true,
    fallback: '',
    accepts: 'http:// or https:// URL',
    schema: webUrl,
    meaning: 'Collector of traces by OTLP/HTTP; /v1/traces is appended to the path. Empty: no traces, at no cost.',
  }),
  otlpProtocol: setting({
    variable: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    fallback: '',
    accepts: protocols.join(' or '),
    schema: z.string(),
    meaning: 'Encoding of traces on their way. Empty: http/protobuf. gRPC is not spoken.',
  }),
  tracesSampler: setting({
    variable: 'OTEL_TRACES_SAMPLER',
    fallback: '',
    accepts: samplerWords,
    schema: z.string(),
    meaning:
      'Traces to record. parentbased_: a trace that began elsewhere is recorded if its sampled flag is set, and only then. Empty: parentbased_traceidratio for gateways and publishers, parentbased_always_on for the operator and npm start.',
  }),
  tracesSamplerArgument: setting({
    variable: 'OTEL_TRACES_SAMPLER_ARG',
    fallback: '',
    accepts: 'a number from 0 to 1',
    schema: z.string(),
    meaning: 'Share of traces that a traceidratio records. Empty: 1 where OTEL_TRACES_SAMPLER is set, else 0.01.',
  }),
  otelDisabled: setting({
    variable: 'OTEL_SDK_DISABLED',
    fallback: '',
    accepts: 'true or false',
    schema: z.string().transform((word) => word.toLowerCase() === 'true'),
    meaning: 'Whether traces are off in spite of OTEL_EXPORTER_OTLP_ENDPOINT. Empty: false.',
  }),
} as const;

type TraceSettings = { readonly [Name in keyof typeof traceSettings]: z.output<(typeof traceSettings)[Name]['schema']> };

/** Whether the process is to record traces. */
export function isTracing({ otlpEndpoint, otelDisabled }: Pick<TraceSettings, 'otlpEndpoint' | 'otelDisabled'>): boolean {
  return otlpEndpoint !== '' && !otelDisabled;
}

/** The faults of settings of traces that are on, in words. */
export function traceFaults(settings: TraceSettings): readonly string[] {
  if (!isTracing(settings)) return [];
  const { otlpProtocol, tracesSampler, tracesSamplerArgument } = settings;
  const fault = (name: keyof typeof traceSettings, value: string): string =>
    `${traceSettings[name].variable}="${value}": must be ${traceSettings[name].accepts}`;
  return [
    ...(otlpProtocol === '' || isOneOf(protocols, otlpProtocol) ? [] : [fault('otlpProtocol', otlpProtocol)]),
    ...(tracesSampler === '' || isOneOf(samplers, tracesSampler) ? [] : [fault('tracesSampler', tracesSampler)]),
    ...(tracesSamplerArgument === '' || isRatio(tracesSamplerArgument) ? [] : [fault('tracesSamplerArgument', tracesSamplerArgument)]),
  ];
}

/** The sampler in force: the settings', or the one that suits the process. */
export function samplingFrom(
  { tracesSampler, tracesSamplerArgument }: Pick<TraceSettings, 'tracesSampler' | 'tracesSamplerArgument'>,
  usual: SamplerName,
): { readonly name: SamplerName; readonly sampling: Sampling } {
  const isGiven = isOneOf(samplers, tracesSampler);
  const name = isGiven ? tracesSampler : usual;
  const ratio = tracesSamplerArgument === '' ? (isGiven ? 1 : usualRatio) : Number(tracesSamplerArgument);
  return { name, sampling: samplingOf(name, ratio) };
}

const usualRatio = 0.01;

function isRatio(text: string): boolean {
  return ratioForm.test(text) && Number(text) <= 1;
}

function isOneOf<Word extends string>(words: readonly Word[], text: string): text is Word {
  return (words as readonly string[]).includes(text);
}
