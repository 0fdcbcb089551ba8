import type { Rows, Table } from '../../databases/database.ts';
import { MalformedDocument } from '../../documents/document.ts';
import { documentOf } from '../../documents/registry.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Canary } from '../../job/job.ts';
import { thumbprintsIn } from '../../keys/certificate.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { rowsWhere } from '../rows-where.ts';

/** Whether a key is the right one; 'unknown': the database contains nothing to try it on. */
export type CanaryResult = 'right' | 'wrong' | 'unknown';

/**
 * A certificate is the best canary: the plaintext must parse as a certificate, and its public thumbprint must be the
 * stored one. No wrong key passes this check, even if it yields valid padding. 'unknown': no such row contains
 * ciphertext.
 *
 * @param named column, or member of the document, that contains the thumbprint
 */
export async function tryCertificate(
  database: Rows,
  catalog: readonly Table[],
  canary: Canary,
  named: string,
  ring: Keyring,
): Promise<CanaryResult> {
  const { table, column, where } = canary;
  const isColumn = catalog.find(({ name }) => name === table)?.columns.some(({ name }) => name === named);
  const also = isColumn === true ? [named] : [];
  let seen = false;
  for await (const { row, columns } of rowsWhere(database, catalog, { table, column, where, also })) {
    const stored = row.values[0] ?? '';
    if (stored === '') continue;
    const leaves = leavesOf(canary, stored);
    const openings = formatOf(canary.format)
      .open(
        leaves.map(({ text }) => text),
        ring,
      )
      .filter((opening) => opening !== 'foreign');
    if (openings.length === 0) continue;
    seen = true;
    const known = [
      isColumn === true ? row.values[columns.indexOf(named)] : null,
      ...leaves.filter(({ path }) => path.endsWith(`.${named}`)).map(({ text }) => text),
    ].flatMap((text) => (text ? [plainHex(text)] : []));
    const plains = openings.flatMap((opening) => (typeof opening === 'object' ? [opening.plain] : []));
    const passwords = plains.map((plain) => plain.toString('utf8'));
    const found = plains.flatMap((plain) => thumbprintsIn(plain, passwords));
    if (found.some((thumbprint) => known.length === 0 || known.includes(thumbprint))) return 'right';
  }
  return seen ? 'wrong' : 'unknown';
}

/** None if the value is not such a document: another row or another canary decides. */
export function leavesOf(canary: Canary, stored: string): { path: string; text: string }[] {
  try {
    return [...documentOf(canary, formatOf(canary.format).signature).read(stored)];
  } catch (error) {
    if (error instanceof MalformedDocument) return [];
    throw error;
  }
}

/** Thumbprints may be written with colons or spaces, in lower or upper case. */
function plainHex(text: string): string {
  return text.replace(/[^0-9A-Fa-f]/g, '').toUpperCase();
}
