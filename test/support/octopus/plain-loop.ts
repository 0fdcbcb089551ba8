import { gunzipSync, gzipSync } from 'node:zlib';
import type { Dialect, Exec } from './dialect.ts';
import { openStream, openText, sealStream, sealText } from './sealing.ts';
import type { Truth } from './truth.ts';

/** The simplest possible rotation. It knows from the truth what it cannot decide. The checker must accept its result. */

/** Every column that may hold secrets, read and written by hand. */
export async function rewrite(
  exec: Exec,
  dialect: Dialect,
  truth: Truth,
  change: (cell: string | Buffer, column: string) => string | Buffer,
): Promise<void> {
  const q = dialect.quote;
  for (const { name, id, columns } of truth.tables) {
    const taken = Object.keys(columns).filter((column) => ['text', 'bytes'].includes(columns[column] ?? ''));
    if (id === null) continue;
    for (const row of await exec(`select * from ${q(name)}`)) {
      for (const column of taken) {
        const was = row[column];
        if (typeof was !== 'string' && !Buffer.isBuffer(was)) continue;
        const is = change(was, `${name}.${column}`);
        if (is === was) continue;
        const [one, two] = [dialect.parameter(1), dialect.parameter(2)];
        await exec(`update ${q(name)} set ${q(column)} = ${one} where ${q(id)} = ${two}`, [is, row[id]]);
      }
    }
  }
}

/** Replaces everything that looks encrypted in the text, in whatever spelling. */
export function rotation(oldKey: Buffer, newKey: Buffer, truth: Truth) {
  // Values that decrypt by chance are not ciphertext
  const known = new Set(
    truth.values.flatMap(({ kind, plain }) => (kind === 'secret' && plain ? [plain.toString('latin1')] : [])),
  );
  const spelling = /\\+(?:u[0-9a-fA-F]{4}|\/)/;
  const sealed = new RegExp(`(?:[A-Za-z0-9+/=|]|${spelling.source})+`, 'g');
  const turn = (text: string) =>
    text.replace(sealed, (found) => {
      const plainText = found
        .replace(/\\+u([0-9a-fA-F]{4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
        .replace(/\\+\//g, '/');
      const plain = openText(plainText, oldKey);
      return plain && known.has(plain.toString('latin1')) ? sealText(plain, newKey) : found;
    });
  return (cell: string | Buffer, column: string): string | Buffer => {
    if (typeof cell === 'string') return turn(cell);
    if (column === 'Blob.Data') return sealStream(openStream(cell, oldKey)!, newKey);
    if (column === 'Blob.Preview') return cell;
    const text = gunzipSync(cell).toString('utf16le');
    const turned = turn(text);
    return turned === text ? cell : gzipSync(Buffer.from(turned, 'utf16le'));
  };
}
