/** A request, as the examples write it. */
export interface Sample {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}

/** A text in single quotes, as a shell reads it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function curlLines({ method, url, headers, body }: Sample): string {
  const lines = [`curl ${method === 'GET' ? '' : `-X ${method} `}${quoted(url)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-d ${quoted(body)}`);
  return lines.join(' \\\n  ');
}

/** A value of JSON in the words of Python. */
export function pythonValue(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(', ')}]`;
  if (typeof value === 'object') return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${pythonValue(each)}`).join(', ')}}`;
  return JSON.stringify(value);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

export function pythonLines({ method, url, headers, body }: Sample): string {
  const value = body === undefined ? undefined : parsed(body);
  const sent = body === undefined ? '' : value === undefined ? `    content=${JSON.stringify(body)},\n` : `    json=${pythonValue(value)},\n`;
  const given = Object.entries(headers).filter(([name]) => value === undefined || name.toLowerCase() !== 'content-type');
  return `import httpx\n\nanswer = httpx.request(\n    "${method}",\n    ${JSON.stringify(url)},\n    headers=${pythonValue(Object.fromEntries(given))},\n${sent}    timeout=60,\n)\nprint(answer.json())`;
}

export function javascriptLines({ method, url, headers, body }: Sample): string {
  const value = body === undefined ? undefined : parsed(body);
  const sent = body === undefined ? '' : `  body: ${value === undefined ? JSON.stringify(body) : `JSON.stringify(${JSON.stringify(value)})`},\n`;
  return `const answer = await fetch(${JSON.stringify(url)}, {\n  method: "${method}",\n  headers: ${JSON.stringify(headers)},\n${sent}});\nconsole.log(await answer.json());`;
}

/** What Swagger UI gives a generator: an immutable map of the request that was sent. */
interface Sent {
  get: (name: string) => unknown;
}

function sampleOf(sent: Sent): Sample {
  const headers = sent.get('headers') as { toJS?: () => Record<string, string> } | undefined;
  const body = sent.get('body') as { toJS?: () => unknown } | string | undefined;
  const text = typeof body === 'string' ? body : body?.toJS ? JSON.stringify(body.toJS()) : undefined;
  return { method: String(sent.get('method') ?? 'GET').toUpperCase(), url: String(sent.get('url')), headers: headers?.toJS?.() ?? {}, body: text };
}

export function python(sent: Sent): string {
  return pythonLines(sampleOf(sent));
}

export function javascript(sent: Sent): string {
  return javascriptLines(sampleOf(sent));
}
