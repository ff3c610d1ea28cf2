import type { Schemas } from '@/api/client';

export type Deployment = Schemas['DeploymentInfo'];
type Values = Record<string, unknown>;

export function params(of: Deployment): Values {
  return of.litellm_params as Values;
}

export function info(of: Deployment): Values {
  return of.model_info as Values;
}

/** Dollars for a million tokens, from dollars for one. */
export function perMillion(rate: unknown): string {
  if (rate === null || rate === undefined) return '–';
  const dollars = Number(rate) * 1e6;
  return dollars.toLocaleString(undefined, { minimumFractionDigits: dollars === 0 ? 0 : 2, maximumFractionDigits: 4 });
}

export function idOf(of: Deployment): string {
  return String(info(of).id ?? '');
}

/** Whether the model is stored in the database, and so can be changed here. Others stand in the config file. */
export function isStored(of: Deployment): boolean {
  return info(of).db_model === true;
}

const CAPABILITIES: readonly (readonly [string, string])[] = [
  ['supports_function_calling', 'tools'],
  ['supports_vision', 'images'],
  ['supports_pdf_input', 'PDF'],
  ['supports_audio_input', 'audio'],
  ['supports_reasoning', 'reasoning'],
  ['supports_response_schema', 'JSON schema'],
  ['supports_prompt_caching', 'prompt cache'],
  ['supports_web_search', 'web search'],
];

/** What the model can do, in words. */
export function capabilities(of: Deployment): string[] {
  return CAPABILITIES.filter(([name]) => info(of)[name] === true).map(([, word]) => word);
}

export interface Standing {
  state: string;
  detail: string;
}

/** How the deployment stands, as the worker that answers sees it. */
export function standing(of: Deployment): Standing {
  const told = info(of);
  const health = (told.health ?? {}) as Values;
  if (told.blocked === true || told.status === 'blocked') return { state: 'blocked', detail: '' };
  if (told.status && told.status !== 'ok') return { state: String(told.status), detail: String(told.error ?? told.flaw ?? '') };
  return { state: String(health.state ?? 'unknown'), detail: String(health.reason ?? health.error ?? '') };
}

export const TONES: Record<string, 'ok' | 'warn' | 'bad' | 'idle'> = { healthy: 'ok', cooling: 'warn', probing: 'warn', unhealthy: 'bad', blocked: 'bad', error: 'bad', skipped: 'bad' };

export interface ModelForm {
  name: string;
  provider: string;
  model: string;
  apiBase: string;
  apiKey: string;
  credential: string;
  input: number | '';
  output: number | '';
  mode: string;
  teamId: string;
}

export const NEW_MODEL: ModelForm = { name: '', provider: 'openai', model: '', apiBase: '', apiKey: '', credential: '', input: '', output: '', mode: 'chat', teamId: '' };

/** The body of /model/new, and of a test. Prices are given for a million tokens and kept for one. */
export function modelBody(form: ModelForm): { model_name: string; litellm_params: Values; model_info: Values } {
  const given: Values = { model: `${form.provider}/${form.model.trim()}` };
  if (form.apiBase.trim()) given.api_base = form.apiBase.trim();
  if (form.apiKey.trim()) given.api_key = form.apiKey.trim();
  if (form.credential) given.litellm_credential_name = form.credential;
  if (form.input !== '') given.input_cost_per_token = perToken(form.input);
  if (form.output !== '') given.output_cost_per_token = perToken(form.output);
  const facts: Values = { mode: form.mode };
  if (form.teamId) facts.team_id = form.teamId;
  return { model_name: form.name.trim() || form.model.trim(), litellm_params: given, model_info: facts };
}

/** Dollars for one token, from dollars for a million, without the noise of binary fractions. */
export function perToken(perMillionTokens: number): number {
  return Number((perMillionTokens / 1e6).toPrecision(12));
}
