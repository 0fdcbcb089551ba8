import type { Signature } from '../formats/signature.ts';
import { any } from './any.ts';
import type { Document } from './document.ts';
import { gzip } from './gzip.ts';
import { json } from './json.ts';
import { list } from './list.ts';
import { respelled } from './respelled.ts';
import { text } from './text.ts';
import { within } from './within.ts';

/** A document in a job file, where the default is `text`. */
export type DeclaredDocument =
  | 'text'
  | 'list'
  | 'any'
  | 'gzip'
  | 'within'
  | { readonly json: readonly string[] | 'any' };

/** How a column carries ciphertext, as a field or a canary says it. */
export interface Carried {
  readonly document: DeclaredDocument;
  readonly trim?: boolean | undefined;
  readonly lines?: number | undefined;
}

/** @param signature of the format; undefined: it has none, and its values are not found inside other text. */
export function documentOf(
  { document, trim = false, lines }: Carried,
  signature: Signature | undefined,
): Document {
  const declared = declaredDocument(document, signature);
  if (!trim && lines === undefined) return declared;
  return respelled(declared, { trim, lines, prefix: signature?.beginning.length ?? 0 });
}

function declaredDocument(declared: DeclaredDocument, signature: Signature | undefined): Document {
  if (declared === 'text') return text;
  if (declared === 'list') return list;
  if (declared === 'any') return any;
  if (declared === 'gzip') return gzip;
  if (typeof declared === 'object') return json(declared.json);
  if (signature === undefined)
    throw new RangeError('values without a signature are not found inside other text');
  return within(signature);
}
