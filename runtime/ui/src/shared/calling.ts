import { BASE_URL } from '@/api/place';

export interface Snippet {
  name: string;
  language: string;
  code: string;
}

/** How to call a model with a key, in the programs that people use most. */
export function snippets(key: string, model: string, base = BASE_URL): Snippet[] {
  const ask = 'Say hello.';
  return [
    {
      name: 'curl',
      language: 'bash',
      code: `curl ${base}/v1/chat/completions \\\n  -H 'Authorization: Bearer ${key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify({ model, messages: [{ role: 'user', content: ask }] })}'`,
    },
    {
      name: 'Python',
      language: 'python',
      code: `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key="${key}")\nanswer = client.chat.completions.create(\n    model="${model}",\n    messages=[{"role": "user", "content": "${ask}"}],\n)\nprint(answer.choices[0].message.content)`,
    },
    {
      name: 'JavaScript',
      language: 'javascript',
      code: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${key}" });\nconst answer = await client.chat.completions.create({\n  model: "${model}",\n  messages: [{ role: "user", content: "${ask}" }],\n});\nconsole.log(answer.choices[0].message.content);`,
    },
    {
      name: 'Claude Code',
      language: 'bash',
      code: `export ANTHROPIC_BASE_URL=${base}\nexport ANTHROPIC_AUTH_TOKEN=${key}\nexport ANTHROPIC_MODEL=${model}\nclaude`,
    },
    {
      name: 'Open WebUI',
      language: 'bash',
      code: `docker run -p 8080:8080 \\\n  -e OPENAI_API_BASE_URL=${base}/v1 \\\n  -e OPENAI_API_KEY=${key} \\\n  ghcr.io/open-webui/open-webui:main`,
    },
  ];
}
