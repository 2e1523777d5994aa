import { describe, expect, it } from 'vitest';
import { firstLanguage } from '../src/i18n/strings';

describe('the first language', () => {
  it.each([
    [null, ['de-DE', 'ar-EG', 'en'], 'ar'],
    [null, ['fr'], 'en'],
    [null, [], 'en'],
    ['en', ['ar'], 'en'],
    ['xx', ['ar'], 'ar'],
  ] as const)('for the choice %s and the wishes %j is %s', (chosen, wishes, language) => {
    expect(firstLanguage(chosen, wishes)).toBe(language);
  });
});
