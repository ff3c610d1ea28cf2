// Drives one JavaScript client through its tasks: drive.mjs CLIENT URL KEY MODEL... It prints a line of
// JSON for each task, as drive.py does.
import assert from 'node:assert/strict';

const SENTENCE = 'The keystone carries the load.';
const ANSWER = 'It is sunny in Rome.';
const QUESTION = 'What carries the load?';
const WEATHER = 'What is the weather in Rome?';
const EXTRACT = 'Rome has 2.8 million people. Extract the facts.';
const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

async function openaiChat(url, key, model) {
  const { default: OpenAI } = await import('openai');
  const { zodResponseFormat } = await import('openai/helpers/zod');
  const { z } = await import('zod');
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const ask = [{ role: 'user', content: QUESTION }];
  const tool = { type: 'function', function: { name: 'get_weather', parameters: PARAMETERS } };
  return {
    async plain() {
      const found = await client.chat.completions.create({ model, messages: ask });
      assert.equal(found.choices[0].message.content, SENTENCE);
    },
    async stream() {
      let text = '';
      const ids = new Set();
      for await (const chunk of await client.chat.completions.create({ model, messages: ask, stream: true })) {
        text += chunk.choices[0]?.delta?.content ?? '';
        ids.add(chunk.id);
      }
      assert.equal(text, SENTENCE);
      assert.equal(ids.size, 1);
    },
    async tools() {
      const messages = [{ role: 'user', content: WEATHER }];
      const first = await client.chat.completions.create({ model, messages, tools: [tool] });
      const call = first.choices[0].message.tool_calls[0];
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Rome' });
      messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'sunny' });
      const second = await client.chat.completions.create({ model, messages, tools: [tool] });
      assert.equal(second.choices[0].message.content, ANSWER);
    },
    async schema() {
      const Facts = z.object({ city: z.string(), population: z.number() });
      const found = await client.chat.completions.parse({
        model, messages: [{ role: 'user', content: EXTRACT }], response_format: zodResponseFormat(Facts, 'facts'),
      });
      assert.equal(found.choices[0].message.parsed.city, 'Rome');
    },
  };
}

async function openaiResponses(url, key, model) {
  const { default: OpenAI } = await import('openai');
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const tool = { type: 'function', name: 'get_weather', parameters: PARAMETERS, strict: false };
  return {
    async plain() {
      const found = await client.responses.create({ model, input: QUESTION, store: false });
      assert.equal(found.output_text, SENTENCE);
    },
    async stream() {
      const stream = client.responses.stream({ model, input: QUESTION, store: false });
      for await (const _ of stream);
      assert.equal((await stream.finalResponse()).output_text, SENTENCE);
    },
    async tools() {
      const input = [{ role: 'user', content: WEATHER }];
      const first = await client.responses.create({ model, input, tools: [tool], store: false });
      const call = first.output.find((item) => item.type === 'function_call');
      input.push(...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'sunny' });
      const second = await client.responses.create({ model, input, tools: [tool], store: false });
      assert.equal(second.output_text, ANSWER);
    },
  };
}

async function anthropicMessages(url, key, model) {
  const { default: Anthropic } = await import('@anthropic-ai/sdk');
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const tool = { name: 'get_weather', input_schema: PARAMETERS };
  const ask = (messages, more = {}) => client.messages.create({ model, max_tokens: 100, messages, ...more });
  return {
    async plain() {
      assert.equal((await ask([{ role: 'user', content: QUESTION }])).content[0].text, SENTENCE);
    },
    async stream() {
      const messages = [{ role: 'user', content: QUESTION }];
      const stream = client.messages.stream({ model, max_tokens: 100, messages });
      assert.equal(await stream.finalText(), SENTENCE);
    },
    async tools() {
      const messages = [{ role: 'user', content: WEATHER }];
      const first = await ask(messages, { tools: [tool] });
      const call = first.content.find((block) => block.type === 'tool_use');
      assert.deepEqual(call.input, { city: 'Rome' });
      const result = { type: 'tool_result', tool_use_id: call.id, content: 'sunny' };
      messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [result] });
      assert.equal((await ask(messages, { tools: [tool] })).content[0].text, ANSWER);
    },
  };
}

async function vercel(provider) {
  const { generateText, streamText, generateObject, tool, stepCountIs } = await import('ai');
  const { z } = await import('zod');
  const model = provider;
  return {
    async plain() {
      assert.equal((await generateText({ model, prompt: QUESTION, maxRetries: 0 })).text, SENTENCE);
    },
    async stream() {
      let text = '';
      for await (const piece of streamText({ model, prompt: QUESTION, maxRetries: 0 }).textStream) text += piece;
      assert.equal(text, SENTENCE);
    },
    async tools() {
      const get_weather = tool({
        description: 'The weather in a city', inputSchema: z.object({ city: z.string() }),
        execute: async () => 'sunny',
      });
      const found = await generateText({
        model, prompt: WEATHER, tools: { get_weather }, stopWhen: stepCountIs(3), maxRetries: 0,
      });
      assert.equal(found.text, ANSWER);
    },
    async schema() {
      const schema = z.object({ city: z.string(), population: z.number() });
      const found = await generateObject({ model, schema, prompt: EXTRACT, maxRetries: 0 });
      assert.equal(found.object.city, 'Rome');
    },
  };
}

async function vercelCompatible(url, key, model) {
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  const options = { name: 'switchgear', baseURL: `${url}/v1`, apiKey: key, supportsStructuredOutputs: true };
  return vercel(createOpenAICompatible(options)(model));
}

async function vercelResponses(url, key, model) {
  const { createOpenAI } = await import('@ai-sdk/openai');
  return vercel(createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model));
}

async function vercelAnthropic(url, key, model) {
  const { createAnthropic } = await import('@ai-sdk/anthropic');
  return vercel(createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model));
}

const CLIENTS = {
  openaiChat, openaiResponses, anthropicMessages, vercelCompatible, vercelResponses, vercelAnthropic,
};

const [name, url, key, ...models] = process.argv.slice(2);
for (const model of models) {
  for (const [task, run] of Object.entries(await CLIENTS[name](url, key, model))) {
    let failed = null;
    try {
      await run();
    } catch (error) {
      failed = `${error}`.slice(0, 600);
    }
    console.log(JSON.stringify({ model, task, failed }));
  }
}
