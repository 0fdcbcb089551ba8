import type { Batch, Row } from '../../databases/database.ts';
import type { Keyring } from '../../keys/keyring.ts';
import type { Texts } from '../../texts.ts';
import { entryBytes } from '../digest.ts';
import type { KnownDigests } from '../known-digests.ts';
import type { PreparedTarget } from '../values/field-values.ts';
import { type DigestedColumn, digestRows, empty, opened } from './digest-rows.ts';
import { openOrdinary } from './open.ts';
import { divided, rowAt, slicesOf } from './slice.ts';

export interface BulkVerification {
  /** Rows of which every value is empty or opens, and whose digest is that of the rotation. */
  readonly proven: number;
  /** All other rows, in order. */
  readonly rest: readonly Row[];
}

/**
 * Reads the rows of a batch by column, with one ring. For a target with plain fields (field.ts).
 * @param known from which the digests of the proven rows are taken
 */
export function verifyBulk(
  prepared: PreparedTarget,
  batch: Batch,
  ring: Keyring,
  key: Buffer,
  known: KnownDigests,
): BulkVerification {
  let proven = 0;
  const rest: Row[] = [];
  for (const slice of slicesOf(batch)) {
    const columns = prepared.fields.map((field) => readField(field, slice, ring));
    const [rows] = divided(slice.rows, (i) =>
      columns.every(({ outcomes }) => (outcomes[i] as number) >= empty),
    );
    const entries = digestRows(slice.id, columns, rows, key);
    const isProven = new Uint8Array(slice.rows);
    rows.forEach((i, n) => {
      if (known.takeEqual(entries, n * entryBytes)) isProven[i] = 1;
    });
    for (let i = 0; i < slice.rows; i++) {
      if (isProven[i] === 1) proven++;
      else rest.push(rowAt(slice, i));
    }
  }
  return { proven, rest };
}

function readField(
  prepared: PreparedTarget['fields'][number],
  { columns }: Batch,
  ring: Keyring,
): DigestedColumn {
  const { format, field, layers } = prepared;
  const stored = columns[field.index] as Texts;
  const plain = openOrdinary(format, stored, {
    ring,
    except: () => false,
    plaintext: field.plaintext,
    layers,
    rings: [ring],
  });
  const outcomes = new Int8Array(stored.lengths.length);
  for (let i = 0; i < outcomes.length; i++)
    outcomes[i] =
      (stored.lengths[i] as number) <= 0 ? empty : (plain.lengths[i] as number) >= 0 ? opened : -1;
  return { prepared, plain, outcomes };
}
