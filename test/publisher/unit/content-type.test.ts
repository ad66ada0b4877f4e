import { expect, test } from 'vitest';
import { isJson } from '../../../publisher/http.ts';

test.each([
  'application/json',
  'Application/JSON',
  'application/json;charset=UTF-8',
  'application/json; charset=utf-8',
  'application/json; charset="utf-8"',
  'application/json;Charset=utf8',
  'application/json ; charset=utf-8',
  'application/json;',
  'application/json; ',
  'application/json; charset=utf-8;',
  'application/json; charset=us-ascii',
  'application/json; odata.metadata=minimal',
  'application/vnd.api+json',
  'application/cloudevents+json; charset=utf-8',
])('%j is JSON in UTF-8', (type) => expect(isJson(type)).toBe(true));

test.each([
  undefined,
  '',
  'json',
  'text/plain',
  'text/json',
  'multipart/form-data; boundary=application/json',
  'application/x-www-form-urlencoded',
  'application/jsonp',
  'application/json-seq',
  'application/+json',
  'application/json; charset=utf-16',
  'application/json; charset=latin1',
  'application/json, application/json',
  'text/plain; x=application/json',
])('%j is not', (type) => expect(isJson(type)).toBe(false));
