import './waiting.css';
import { BASE_URL, TITLE } from '@/api/place';
import { type OpenApi, shown } from './document';
import { javascript, python } from './examples';
import { keepLabelled } from './labels';

/** The API reference: Swagger UI over the gateway's own document, with each alias shown once. */
async function start(): Promise<void> {
  document.title = `API reference - ${TITLE}`;
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const follow = (): void => void document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();
  // The document and Swagger UI come side by side; the page says meanwhile that they do.
  const [answer, { default: SwaggerUI }] = await Promise.all([fetch(`${BASE_URL}/openapi.json`, { credentials: 'omit' }), import('./bundle')]);
  if (!answer.ok) throw new Error(`The gateway answered ${answer.status} for /openapi.json.`);
  keepLabelled(document.body);
  SwaggerUI({
    domNode: document.getElementById('reference'),
    spec: shown((await answer.json()) as OpenApi, BASE_URL),
    deepLinking: false, // its links would lead to the base address of the page's files
    docExpansion: 'none',
    filter: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
    validatorUrl: null,
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    syntaxHighlight: { activated: true, theme: 'nord' },
    // Only a key that is pasted in counts: the session of the admin UI is not sent.
    requestInterceptor: (request: Record<string, unknown>) => ({ ...request, credentials: 'omit' }),
    requestSnippetsEnabled: true,
    requestSnippets: {
      generators: {
        curl_bash: { title: 'curl', syntax: 'bash' },
        python: { title: 'Python', syntax: 'python' },
        javascript: { title: 'JavaScript', syntax: 'javascript' },
      },
      defaultExpanded: true,
    },
    plugins: [{ fn: { requestSnippetGenerator_python: python, requestSnippetGenerator_javascript: javascript } }],
  });
}

start().catch((error: unknown) => {
  const place = document.getElementById('reference');
  if (place) {
    place.setAttribute('role', 'alert');
    place.textContent = `The reference can't be shown. ${error instanceof Error ? error.message : String(error)} Reload the page to try again.`;
  }
});
