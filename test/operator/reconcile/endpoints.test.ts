import { expect, test } from 'vitest';
import { isEndpointReady, isOfService, slimSlice, type EndpointSlice } from '../../../operator/reconcile/endpoints.ts';

function slice(endpoints: EndpointSlice['endpoints']): EndpointSlice {
  return { metadata: { name: 's', labels: { 'kubernetes.io/service-name': 'live' } }, ...(endpoints === undefined ? {} : { endpoints }) };
}

const to = (uid: string, ready?: boolean) => ({ targetRef: { uid }, conditions: ready === undefined ? {} : { ready } });

test('a pod is an endpoint while one slice has it and does not say that it is unready', () => {
  expect(isEndpointReady([slice([to('a', true)]), slice([to('b', false)])], 'a')).toBe(true);
  expect(isEndpointReady([slice([to('a')])], 'a')).toBe(true);
  expect(isEndpointReady([slice([to('a', false)])], 'a')).toBe(false);
  // A pod may be in two slices while it moves from one to the other.
  expect(isEndpointReady([slice([to('a', false)]), slice([to('a', true)])], 'a')).toBe(true);
});

test('a pod that no slice has is none, and without slices nothing is known', () => {
  expect(isEndpointReady([slice([to('b', true)])], 'a')).toBe(false);
  expect(isEndpointReady([slice(null)], 'a')).toBe(false);
  expect(isEndpointReady([], 'a')).toBe(undefined);
});

test('what is kept of a slice says the same', () => {
  for (const endpoints of [null, undefined, [to('a', true), to('b', false), to('c')]]) {
    const whole = slice(endpoints);
    const slim = slimSlice(whole);
    expect(isOfService(slim, 'live')).toBe(true);
    expect(isOfService(slim, 'other')).toBe(false);
    for (const uid of ['a', 'b', 'c', 'd']) expect(isEndpointReady([slim], uid)).toBe(isEndpointReady([whole], uid));
  }
});
