import { expect, test } from 'vitest';
import { withoutCredentials } from '../../core/credentials.ts';

test.each([
  ['https://hook:s3cret@auth.example.com/check?token=two refuses', 'https://…@auth.example.com/check?… refuses'],
  ['"redis://:s3cret@redis:6379/0" is no host', '"redis://…@redis:6379/0" is no host'],
  [
    'BARRAGE_AUTH_URL "https://a/?token=s3cret" is wrong, write https://b/c?d',
    'BARRAGE_AUTH_URL "https://a/?…" is wrong, write https://b/c?…',
  ],
  ['see https://example.com/page, or mail me@example.com', 'see https://example.com/page, or mail me@example.com'],
])('of %j the credentials are left out', (text, shown) => {
  expect(withoutCredentials(text)).toBe(shown);
});
