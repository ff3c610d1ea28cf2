import type { IconKey } from '@tabler/icons-react';
import type { Me } from '@/api/me';
import { PLACES } from './places';

/** A place to which the palette jumps. */
export interface Found {
  id: string;
  label: string;
  kind: string;
  to: string;
  icon: typeof IconKey;
}

/** The pages of the reader's role whose names have the text in them, best first. */
export function findPlaces(text: string, me: Me): Found[] {
  const words = text.trim().toLowerCase();
  return PLACES.filter((place) => place.for(me) && `${place.label} ${place.group} ${place.also ?? ''}`.toLowerCase().includes(words))
    .sort((a, b) => Number(b.label.toLowerCase().startsWith(words)) - Number(a.label.toLowerCase().startsWith(words)))
    .map((place) => ({ id: place.path, label: place.label, kind: 'page', to: place.path, icon: place.icon }));
}

/** Whether a text can be the id of a request or of an answer. */
export function looksLikeId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f-]{8,}/i.test(text) || /^(chatcmpl|cmpl|resp|msg)[-_]\w+/.test(text);
}
