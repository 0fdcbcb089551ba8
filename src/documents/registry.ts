import type { Document } from './document.ts';
import { json } from './json.ts';
import { list } from './list.ts';
import { text } from './text.ts';

/** As job files declare it; the default there is `text`. */
export type DeclaredDocument = 'text' | 'list' | { readonly json: readonly string[] | 'any' };

export function documentOf(declared: DeclaredDocument): Document {
  if (declared === 'text') return text;
  if (declared === 'list') return list;
  return json(declared.json);
}
