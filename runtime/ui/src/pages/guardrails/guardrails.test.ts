import { expect, test } from 'vitest';
import { failuresOf, momentsOf } from './Guardrails';

const params = (more: Record<string, unknown>): never => ({ guardrail: 'x', mode: [], default_on: true, unreachable_fallback: 'fail_closed', fail_on_error: true, residency: 'local', ...more }) as never;

test('what happens where a guardrail fails is told in words', () => {
  expect(failuresOf(params({}))).toBe('the call is refused');
  expect(failuresOf(params({ unreachable_fallback: 'fail_open', fail_on_error: false }))).toBe('the call goes on');
  expect(failuresOf(params({ unreachable_fallback: 'fail_open' }))).toBe('the call goes on where it is not reached, and is refused where it answers with an error');
});

test('moments that have no word are shown as they are', () => {
  expect(momentsOf(['pre_call', 'post_call', 'logging_only'])).toBe('before the call, before the answer is sent, logging_only');
});
