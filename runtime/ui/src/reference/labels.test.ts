import { beforeEach, expect, test, vi } from 'vitest';
import { keepLabelled, label } from './labels';

beforeEach(() => {
  document.body.innerHTML = '';
});

function name(selector: string): string | null {
  return document.querySelector(selector)!.getAttribute('aria-label');
}

test('fields are named by their parameter, and what has a name keeps it', () => {
  document.body.innerHTML = `
    <select id="servers"></select>
    <table><tr data-param-name="page"><td><select class="of-row"></select><textarea class="of-row"></textarea></td></tr></table>
    <textarea class="body"></textarea><select class="own" aria-label="Media type"></select>
    <button class="close-modal"><svg></svg></button>`;
  label(document);
  expect([name('#servers'), name('select.of-row'), name('textarea.of-row'), name('textarea.body'), name('.own'), name('.close-modal')]).toEqual(['Server', 'page', 'page', 'Request body', 'Media type', 'Close']);
});

test('a button is called what it says, and code that scrolls can have the focus', () => {
  document.body.innerHTML = '<div class="auth-btn-wrapper"><button aria-label="Apply credentials">Authorize</button></div><div class="highlight-code"><pre class="microlight"></pre></div>';
  label(document);
  expect(name('button')).toBeNull();
  expect(document.querySelector('pre')!.getAttribute('tabindex')).toBe('0');
});

test('what comes later is named too', async () => {
  const stop = keepLabelled(document.body);
  document.body.append(document.createElement('textarea'));
  await vi.waitFor(() => expect(name('textarea')).toBe('Request body'));
  stop();
});
