import { any } from './any.ts';
import type { Document } from './document.ts';
import { gzip } from './gzip.ts';
import { json } from './json.ts';
import { list } from './list.ts';
import { text } from './text.ts';

/** As job files declare it; the default there is `text`. */
export type DeclaredDocument =
  | 'text'
  | 'list'
  | 'any'
  | 'gzip'
  | { readonly json: readonly string[] | 'any' };

export function documentOf(declared: DeclaredDocument): Document {
  if (declared === 'text') return text;
  if (declared === 'list') return list;
  if (declared === 'any') return any;
  if (declared === 'gzip') return gzip;
  return json(declared.json);
}
