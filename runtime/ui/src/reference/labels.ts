/** Names and focus for what Swagger UI leaves without, so that a screen reader and a keyboard reach all of it. */

const NAMES: readonly (readonly [string, (found: Element) => string])[] = [
  ['select#servers', () => 'Server'],
  ['select', (found) => parameterOf(found) ?? 'Choice'],
  ['textarea', (found) => parameterOf(found) ?? 'Request body'],
  ['.close-modal', () => 'Close'],
];

/** The parameter in whose row something stands. */
function parameterOf(found: Element): string | undefined {
  return found.closest<HTMLElement>('[data-param-name]')?.dataset.paramName;
}

/** Name what has no name yet. An element that has one of its own keeps it. */
export function label(root: ParentNode): void {
  for (const [selector, nameOf] of NAMES) {
    for (const found of root.querySelectorAll(selector)) {
      if (!found.hasAttribute('aria-label') && !found.hasAttribute('aria-labelledby')) found.setAttribute('aria-label', nameOf(found));
    }
  }
  // Their names for a screen reader are other words than those in sight.
  for (const button of root.querySelectorAll('.auth-btn-wrapper button[aria-label]')) button.removeAttribute('aria-label');
  for (const code of root.querySelectorAll('pre.microlight:not([tabindex]), .highlight-code > .microlight:not([tabindex])')) code.setAttribute('tabindex', '0');
}

/** Name things as they come, at most once a frame, until what it gives is called. */
export function keepLabelled(root: Element): () => void {
  let waits = false;
  const look = (): void => {
    waits = false;
    label(root);
  };
  const observer = new MutationObserver(() => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(look);
  });
  observer.observe(root, { childList: true, subtree: true });
  return () => observer.disconnect();
}
