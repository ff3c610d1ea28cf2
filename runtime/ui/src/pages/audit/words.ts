import type { Schemas } from '@/api/client';

export type Change = Schemas['AuditRecord'];

const TABLES: Record<string, string> = {
  LiteLLM_VerificationToken: 'key',
  LiteLLM_DeprecatedVerificationToken: 'replaced key',
  LiteLLM_UserTable: 'user',
  LiteLLM_TeamTable: 'team',
  LiteLLM_TeamMembership: 'member',
  LiteLLM_OrganizationTable: 'organization',
  LiteLLM_OrganizationMembership: 'organization member',
  LiteLLM_BudgetTable: 'budget',
  LiteLLM_EndUserTable: 'customer',
  LiteLLM_ProxyModelTable: 'model',
  LiteLLM_CredentialsTable: 'credential',
  LiteLLM_ProjectTable: 'project',
  LiteLLM_TagTable: 'tag',
  LiteLLM_AccessGroupTable: 'access group',
  LiteLLM_Config: 'settings',
  LiteLLM_InvitationLink: 'invitation',
};

/** The word for a table. */
export function tableWord(table: string): string {
  return TABLES[table] ?? table.replace(/^(LiteLLM|Switchgear)_/, '').replace(/Table$/, '').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}

/** Who did what: `ada blocked key`. */
export function sentence(change: Change): string {
  return `${change.changed_by || 'somebody'} ${change.action.replaceAll('_', ' ')} ${tableWord(change.table_name)}`;
}

type Values = Record<string, unknown>;

/** What the changed thing is called. */
export function objectOf(change: Change): string {
  const values = { ...(change.before_value as Values | null), ...(change.updated_values as Values | null) };
  for (const name of ['key_alias', 'team_alias', 'user_email', 'organization_alias', 'model_name', 'credential_name', 'budget_id', 'name']) {
    if (typeof values[name] === 'string' && values[name]) return values[name];
  }
  return change.object_id.length > 24 ? change.object_id.slice(0, 10) : change.object_id;
}

export interface Difference {
  field: string;
  before: unknown;
  after: unknown;
}

/** The fields that a change set to another value. */
export function differences(change: Change): Difference[] {
  const before = (change.before_value ?? {}) as Values;
  const after = (change.updated_values ?? {}) as Values;
  const names = change.updated_values === null || change.updated_values === undefined ? Object.keys(before) : Object.keys(after);
  return names
    .filter((name) => JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null))
    .map((field) => ({ field, before: before[field], after: after[field] }));
}
