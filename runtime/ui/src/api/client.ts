import {
  type UseMutationResult,
  type UseQueryResult,
  keepPreviousData,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { notifications } from '@mantine/notifications';
import type { components, paths } from './schema';
import { hearClock } from './clock';
import { ApiError, errorOf } from './errors';
import { BASE_URL } from './place';

export type Schemas = components['schemas'];

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Operation<P extends keyof paths, V extends Verb> = NonNullable<paths[P][V]>;
type PathsWith<V extends Verb> = { [P in keyof paths]: paths[P][V] extends undefined ? never : P }[keyof paths];

type JsonOf<O> = O extends { responses: { 200: { content: { 'application/json': infer A } } } } ? A : never;
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Q : undefined;
type BodyOf<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : undefined;

export type Answer<P extends keyof paths, V extends Verb = 'get'> = JsonOf<Operation<P, V>>;
export type Query<P extends keyof paths> = NonNullable<QueryOf<Operation<P, 'get'>>>;

type Values = Record<string, unknown>;

let csrf = '';

/** Keep the token that changes by this session must send. */
export function keepToken(token: string): void {
  csrf = token;
}

/** The headers of every request of this page. */
export function headersFor(verb: Verb): Record<string, string> {
  return verb === 'get' ? { accept: 'application/json' } : { 'content-type': 'application/json', 'x-csrf-token': csrf };
}

/** The address of a path with its parameters. Those that the path names are put into it. */
export function addressOf(path: string, query: Values = {}): string {
  const left = new URLSearchParams();
  let filled = path;
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue;
    const slot = `{${name}}`;
    if (filled.includes(slot)) filled = filled.replace(slot, encodeURIComponent(String(value)));
    else left.set(name, String(value));
  }
  const text = left.toString();
  return `${BASE_URL}${filled}${text ? `?${text}` : ''}`;
}

async function ask(verb: Verb, address: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(address, {
      method: verb.toUpperCase(),
      headers: headersFor(verb),
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The gateway did not answer.');
  }
  hearClock(response.headers.get('date'));
  const text = await response.text();
  let told: unknown = text;
  try {
    told = text ? JSON.parse(text) : undefined;
  } catch {
    // a text is a text
  }
  if (!response.ok) throw errorOf(response, told);
  return told;
}

/** Ask a GET of the API once. */
export async function read<P extends PathsWith<'get'>>(path: P, query?: Query<P> | Values, signal?: AbortSignal): Promise<Answer<P>> {
  return (await ask('get', addressOf(path, query as Values), undefined, signal)) as Answer<P>;
}

/** Ask for a change. `slots` fills the path's own parameters. */
export async function send<P extends PathsWith<V>, V extends Exclude<Verb, 'get'>>(
  verb: V,
  path: P,
  body: BodyOf<Operation<P, V>> | Values,
  slots?: Values,
): Promise<Answer<P, V>> {
  return (await ask(verb, addressOf(path, slots), body)) as Answer<P, V>;
}

interface GetOptions {
  enabled?: boolean;
  everyMs?: number;
  /** Whether the earlier answer stays in sight while another is fetched. */
  keeps?: boolean;
}

/** A GET of the API, kept and shared by all parts of the page that ask the same. */
export function useGet<P extends PathsWith<'get'>>(path: P, query?: Query<P> | Values, options: GetOptions = {}): UseQueryResult<Answer<P>> {
  return useQuery({
    queryKey: [path, query ?? {}],
    queryFn: ({ signal }) => read(path, query, signal),
    enabled: options.enabled ?? true,
    refetchInterval: options.everyMs,
    placeholderData: options.keeps === false ? undefined : keepPreviousData,
  }) as UseQueryResult<Answer<P>>;
}

interface ChangeOptions<T, I> {
  /** The paths whose answers are asked for anew. */
  refreshes?: readonly (keyof paths)[];
  /** What is said when it worked. */
  says?: string | ((answer: T, input: I) => string);
  then?: (answer: T, input: I) => void;
  /** Whether the form shows the error itself. */
  quiet?: boolean;
}

/** A change through the API. Its failure is told in a corner of the page, unless the form shows it. */
export function useChange<I, T>(run: (input: I) => Promise<T>, options: ChangeOptions<T, I> = {}): UseMutationResult<T, Error, I> {
  const kept = useQueryClient();
  return useMutation({
    mutationFn: run,
    onSuccess: async (answer, input) => {
      const said = typeof options.says === 'function' ? options.says(answer, input) : options.says;
      if (said) notifications.show({ message: said, color: 'teal', autoClose: 4000 });
      options.then?.(answer, input);
      await Promise.all((options.refreshes ?? []).map((path) => kept.invalidateQueries({ queryKey: [path] })));
    },
    onError: (error) => {
      if (!options.quiet) notifications.show({ title: 'It was not done', message: error.message, color: 'red', autoClose: 9000 });
    },
  });
}
