import type { Certificate } from './certificate.ts';
import type { Table } from './tables.ts';

/**
 * secret: encrypted with the key. hashed: one-way. look-alike: has, or nearly has, the shape of a ciphertext but is none.
 * plain: any other value that is checked.
 */
export type Kind = 'secret' | 'hashed' | 'look-alike' | 'plain';

/** One value that the generator wrote. */
export interface Value {
  readonly table: string;
  /** Null in a table without row ids. */
  readonly id: string | null;
  readonly column: string;
  /** See document-path.ts. */
  readonly path: string;
  readonly kind: Kind;
  /** A secret's plaintext; what stands there otherwise; null for NULL. */
  readonly plain: Buffer | null;
  /** text: base64|base64. stream: IV and ciphertext, raw. */
  readonly form: 'text' | 'stream';
  /** The trap that this value is, by its name in traps.ts. */
  readonly trap: string | null;
}

/** What an Octopus database must contain, whatever its key is. */
export interface Truth {
  /** The key that the database was made with. */
  readonly key: Buffer;
  readonly tables: readonly Table[];
  readonly values: readonly Value[];
  /** Rows by table. */
  readonly rows: ReadonlyMap<string, number>;
  /** The server's own: the canary. */
  readonly certificate: Certificate & { readonly table: string; readonly id: string };
}

/** Where a value stands, for people. */
export function placeOf(value: Value): string {
  const trap = value.trap === null ? '' : ` (${value.trap})`;
  return `${value.table} ${value.id ?? '-'} ${value.column}${value.path && ` ${value.path}`}${trap}`;
}
