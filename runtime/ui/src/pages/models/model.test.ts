import { expect, test } from 'vitest';
import { NEW_MODEL, capabilities, modelBody, perMillion, perToken, standing } from './model';

test('prices go to one token and back without noise', () => {
  expect(perToken(1.25)).toBe(0.00000125);
  expect(perToken(0.1)).toBe(1e-7);
  expect([perMillion(0.00000125), perMillion(0), perMillion(null)]).toEqual(['1.25', '0', '–']);
});

test('a model takes its name of the provider where it has none of its own', () => {
  expect(modelBody({ ...NEW_MODEL, model: ' gpt-4o ', input: 2.5 })).toEqual({ model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', input_cost_per_token: 0.0000025 }, model_info: { mode: 'chat' } });
});

test('a deployment stands as the worker sees it', () => {
  const of = (info: Record<string, unknown>) => ({ model_name: 'm', litellm_params: {}, model_info: info }) as never;
  expect(standing(of({ status: 'ok', health: { state: 'cooling', reason: '429' } }))).toEqual({ state: 'cooling', detail: '429' });
  expect(standing(of({ blocked: true })).state).toBe('blocked');
  expect(capabilities(of({ supports_vision: true, supports_reasoning: null }))).toEqual(['images']);
});
