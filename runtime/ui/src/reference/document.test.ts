import { expect, test } from 'vitest';
import { type OpenApi, sampleOf, shown } from './document';
import { curlLines, javascriptLines, pythonLines, pythonValue } from './examples';

const DOCUMENT = {
  info: { description: 'One API.' },
  paths: {
    '/v1/models': { get: { operationId: 'models', tags: ['models'] } },
    '/models': { get: { operationId: 'models.models', 'x-alias-of': '/v1/models' } },
    '/key/{key}/block': { post: { parameters: [{ name: 'key', in: 'path', required: true, schema: { type: 'string' } }], requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Block' } } } } } },
  },
  components: { schemas: { Block: { type: 'object', required: ['why', 'kind'], properties: { why: { type: 'string' }, kind: { enum: ['a', 'b'] }, more: { type: 'integer' } } } } },
} as unknown as OpenApi;

test('an alias is shown once, by its name, at the operation that it stands for', () => {
  const { paths } = shown(DOCUMENT, 'http://gw');
  expect(Object.keys(paths)).toEqual(['/v1/models', '/key/{key}/block']);
  expect(paths['/v1/models']!.get!.description).toContain('Also at `/models`.');
});

test('every operation has examples in curl, Python and JavaScript', () => {
  const told = shown(DOCUMENT, 'http://gw').paths['/key/{key}/block']!.post!.description ?? '';
  for (const part of ['<summary>curl</summary>', '<summary>Python</summary>', '<summary>JavaScript</summary>', 'http://gw/key/KEY/block', '{"why":"string","kind":"a"}', 'json={"why": "string", "kind": "a"}']) expect(told).toContain(part);
});

test('a sample ends also where a schema refers to itself', () => {
  const all = { Node: { type: 'object', required: ['next'], properties: { next: { $ref: '#/components/schemas/Node' } } } };
  expect(JSON.stringify(sampleOf({ $ref: '#/components/schemas/Node' }, all))).toContain('null');
});

test('texts are quoted as each language reads them', () => {
  const call = { method: 'POST', url: 'http://gw/x', headers: { 'Content-Type': 'application/json' }, body: '{"say":"it\'s \\"so\\"","on":true,"off":null}' };
  expect(curlLines(call)).toContain(`'{"say":"it'\\''s`);
  expect(pythonLines(call)).toContain('json={"say": "it\'s \\"so\\"", "on": True, "off": None}');
  expect(javascriptLines(call)).toContain('body: JSON.stringify({"say":"it\'s \\"so\\"","on":true,"off":null})');
  expect(pythonValue([1, false])).toBe('[1, False]');
});
