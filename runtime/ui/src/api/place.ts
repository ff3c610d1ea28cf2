/** Where the gateway is, and what it says of itself in the page's head. */
interface Facts {
  root: string;
  title: string;
  accent: string;
}

function read(): Facts {
  const told = document.querySelector<HTMLMetaElement>('meta[name="switchgear"]')?.content;
  const none = { root: '', title: '', accent: '' };
  return told ? { ...none, ...(JSON.parse(told) as Partial<Facts>) } : none;
}

const facts = read();

/** The path under which a proxy shows the gateway, such as `/llm`. */
export const ROOT = facts.root;
export const TITLE = facts.title || 'Switchgear';
export const ACCENT = facts.accent;

/** The address of the gateway as programs use it. */
export const BASE_URL = `${window.location.origin}${ROOT}`;

/** Go to the sign-in page, and come back here afterwards. */
export function signIn(): void {
  const here = window.location.pathname.slice(ROOT.length) + window.location.search;
  window.location.assign(`${ROOT}/login?return_to=${encodeURIComponent(here)}`);
}
