import { any } from './any.ts';
import type { Document } from './document.ts';
import { gzip } from './gzip.ts';
import { json } from './json.ts';
import { list } from './list.ts';
import { nested } from './nested.ts';
import { respelled } from './respelled.ts';
import { text } from './text.ts';
import { type ValueShape, within } from './within.ts';

/** A document in a job file, where the default is `text`. */
export type DeclaredDocument =
  | 'text'
  | 'list'
  | 'any'
  | 'gzip'
  | 'within'
  | { readonly json: readonly string[] | 'any' | 'nested' };

/** Any string of the document may be ciphertext. Those that are not are not values. */
export function isSearched(document: DeclaredDocument): boolean {
  return typeof document === 'object' && typeof document.json === 'string';
}

/** How a column carries ciphertext, as a field or a canary says it. */
export interface Carried {
  readonly document: DeclaredDocument;
  readonly trim?: boolean | undefined;
  readonly lines?: number | undefined;
}

/** @param shape of the format's values; undefined: they are not found inside other text. */
export function documentOf(
  { document, trim = false, lines }: Carried,
  shape: ValueShape | undefined,
): Document {
  const declared = declaredDocument(document, shape);
  if (!trim && lines === undefined) return declared;
  return respelled(declared, { trim, lines, prefix: shape?.beginning.length ?? 0 });
}

function declaredDocument(declared: DeclaredDocument, shape: ValueShape | undefined): Document {
  if (declared === 'text') return text;
  if (declared === 'list') return list;
  if (declared === 'any') return any;
  if (declared === 'gzip') return gzip;
  if (typeof declared === 'object') return declared.json === 'nested' ? nested : json(declared.json);
  if (shape === undefined) throw new RangeError('values without a shape are not found inside other text');
  return within(shape);
}
