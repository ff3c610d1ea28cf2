import type { Schemas } from '@/api/client';
import { compact } from '@/shared/format';

export type KeyFacts = Schemas['KeyFacts'];

/** What a key is called. */
export function nameOf(key: { key_alias?: string | null; key_name?: string | null; token: string }): string {
  return key.key_alias ?? key.key_name ?? key.token.slice(0, 12);
}

/** The limits of a key in few words: `60 rpm, 100K tpm`. */
export function limitsOf(key: KeyFacts): string {
  const parts = [
    key.rpm_limit ? `${compact(key.rpm_limit)} rpm` : '',
    key.tpm_limit ? `${compact(key.tpm_limit)} tpm` : '',
    key.tpd_limit ? `${compact(key.tpd_limit)} tpd` : '',
    key.max_parallel_requests ? `${compact(key.max_parallel_requests)} at once` : '',
  ];
  return parts.filter(Boolean).join(', ');
}

export interface KeyForm {
  alias: string;
  owner: 'me' | 'user' | 'team' | 'service';
  userId: string;
  teamId: string;
  models: string[];
  budget: number | '';
  window: string;
  rpm: number | '';
  tpm: number | '';
  parallel: number | '';
  duration: string;
  localOnly: boolean;
}

export const NEW_KEY: KeyForm = {
  alias: '',
  owner: 'me',
  userId: '',
  teamId: '',
  models: [],
  budget: '',
  window: '30d',
  rpm: '',
  tpm: '',
  parallel: '',
  duration: '',
  localOnly: false,
};

/** The body of /key/generate. What is left empty is left out, so that the gateway's own defaults count. */
export function bodyOf(form: KeyForm): Record<string, unknown> {
  const body: Record<string, unknown> = { key_alias: form.alias.trim() };
  if (form.owner === 'user' && form.userId) body.user_id = form.userId;
  if (form.owner !== 'service' && form.owner !== 'user' && form.owner !== 'team') body.user_id = form.userId || undefined;
  if (form.teamId) body.team_id = form.teamId;
  if (form.models.length > 0) body.models = form.models;
  if (form.budget !== '') {
    body.max_budget = form.budget;
    if (form.window) body.budget_duration = form.window;
  }
  if (form.rpm !== '') body.rpm_limit = form.rpm;
  if (form.tpm !== '') body.tpm_limit = form.tpm;
  if (form.parallel !== '') body.max_parallel_requests = form.parallel;
  if (form.duration) body.duration = form.duration;
  if (form.localOnly) body.local_only = true;
  for (const name of Object.keys(body)) if (body[name] === undefined) delete body[name];
  return body;
}
