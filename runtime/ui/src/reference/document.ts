import { type Sample, curlLines, javascriptLines, pythonLines } from './examples';

interface Schema {
  $ref?: string;
  type?: string | string[];
  anyOf?: Schema[];
  enum?: unknown[];
  default?: unknown;
  const?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema }[];
  requestBody?: { content?: Record<string, { schema?: Schema; example?: unknown }> };
  'x-alias-of'?: string;
}

type PathItem = Record<string, Operation>;

export interface OpenApi {
  info: { description?: string };
  servers?: unknown;
  paths: Record<string, PathItem>;
  components?: { schemas?: Record<string, Schema> };
}

/** Bodies that say more than the required fields alone would. */
const BODIES: Readonly<Record<string, unknown>> = {
  '/v1/chat/completions': { model: 'gpt-4', messages: [{ role: 'user', content: 'Say hello.' }] },
  '/v1/completions': { model: 'gpt-4', prompt: 'Say hello.' },
  '/v1/messages': { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'Say hello.' }] },
  '/v1/responses': { model: 'gpt-4', input: 'Say hello.' },
  '/v1/embeddings': { model: 'text-embedding-3-small', input: 'hello' },
  '/key/generate': { key_alias: 'laptop', max_budget: 5, duration: '30d' },
};

/** A value for a schema: its default, its first choice, or the least that its required fields need. */
export function sampleOf(schema: Schema | undefined, all: Record<string, Schema>, depth = 0): unknown {
  if (schema === undefined || depth > 4) return null;
  if (schema.$ref) return sampleOf(all[schema.$ref.split('/').pop() ?? ''], all, depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choice = schema.anyOf?.find((each) => each.type !== 'null');
  if (choice) return sampleOf(choice, all, depth + 1);
  const type = Array.isArray(schema.type) ? schema.type.find((each) => each !== 'null') : schema.type;
  if (type === 'object' || schema.properties) {
    return Object.fromEntries((schema.required ?? []).map((name) => [name, sampleOf(schema.properties?.[name], all, depth + 1)]));
  }
  if (type === 'array') return [];
  if (type === 'integer' || type === 'number') return 1;
  if (type === 'boolean') return true;
  return 'string';
}

/** What an operation is called with: its path and required query filled in, and its body. */
export function callOf(method: string, path: string, operation: Operation, all: Record<string, Schema>, base: string): Sample {
  const query = new URLSearchParams();
  let filled = path;
  for (const each of operation.parameters ?? []) {
    if (each.in === 'path') filled = filled.replace(`{${each.name}}`, each.name.toUpperCase());
    else if (each.required) query.set(each.name, String(sampleOf(each.schema, all)));
  }
  const text = query.toString();
  const body = operation.requestBody?.content?.['application/json'];
  return {
    method: method.toUpperCase(),
    url: `${base}${filled}${text ? `?${text}` : ''}`,
    headers: { Authorization: 'Bearer sk-your-key', ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body ? JSON.stringify(BODIES[path] ?? sampleOf(body.schema, all)) : undefined,
  };
}

function folded(title: string, language: string, code: string): string {
  return `<details><summary>${title}</summary>\n\n\`\`\`${language}\n${code}\n\`\`\`\n\n</details>`;
}

/** The document as the page shows it: an operation once, with its further addresses and with examples. */
export function shown(document: OpenApi, base: string): OpenApi {
  const all = document.components?.schemas ?? {};
  const aliases = new Map<string, string[]>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const of = operation['x-alias-of'];
      if (of) aliases.set(`${method} ${of}`, [...(aliases.get(`${method} ${of}`) ?? []), path]);
    }
  }
  const paths: Record<string, PathItem> = {};
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (operation['x-alias-of']) continue;
      const call = callOf(method, path, operation, all, base);
      const also = aliases.get(`${method} ${path}`) ?? [];
      const body = operation.requestBody?.content?.['application/json'];
      (paths[path] ??= {})[method] = {
        ...operation,
        ...(body && call.body ? { requestBody: { ...operation.requestBody, content: { ...operation.requestBody?.content, 'application/json': { ...body, example: JSON.parse(call.body) as unknown } } } } : {}),
        description: [
          also.length > 0 ? `Also at ${also.map((each) => `\`${each}\``).join(', ')}.` : '',
          folded('curl', 'bash', curlLines(call)),
          folded('Python', 'python', pythonLines(call)),
          folded('JavaScript', 'javascript', javascriptLines(call)),
        ]
          .filter(Boolean)
          .join('\n\n'),
      };
    }
  }
  const description = [document.info.description, 'Paste a key with **Authorize**, open an operation, and **Execute** it. The OpenAPI document is at [/openapi.json](' + base + '/openapi.json).'].filter(Boolean).join('\n\n');
  return { ...document, info: { ...document.info, description }, servers: [{ url: base }], paths };
}
