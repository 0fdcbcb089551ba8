import type { Exception } from '../checkpoint/exception-table.ts';
import { emptyTally, type Tally } from '../checkpoint/tally.ts';
import type { Change, Row } from '../databases/database.ts';
import type { Edit, Leaf } from '../documents/document.ts';
import { targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { digestAll, digestBytes, entryBytes, Messages } from './digest.ts';
import { addRow, type Evidence } from './evidence.ts';
import { placesOf } from './places.ts';
import { slices } from './slices.ts';
import { classify, type Rotation } from './values/classify.ts';
import { byFormat, type PreparedField, type PreparedTarget } from './values/field-values.ts';
import { peel, sealLayers } from './values/layers.ts';
import { storedIn, storeIn } from './values/stored.ts';
import { textsOf, type Value, valuesOf } from './values/value.ts';

export interface RotatedRow {
  readonly change: Change | null;
  readonly tally: Tally;
  readonly exceptions: readonly Exception[];
}

/** What becomes of each row. Does not keep the values. */
export class RotatedRows {
  readonly rows: RotatedRow[] = [];
  /**
   * Index of each row with a value that opens under both the old and the new keys → its digest entry if the rotated and
   * undecided values were left as they are stored.
   */
  readonly asLeft = new Map<number, Buffer>();
  /**
   * Indexes of rows that somebody wrote under the new key since the run began. They have no digest and no counts: to the
   * verifier they are rows that were added during the run, whose content nothing proves.
   */
  readonly unproven = new Set<number>();
  readonly #digests: Buffer[] = [];

  add(rows: readonly RotatedRow[], digests: Buffer): void {
    for (const row of rows) this.rows.push(row);
    for (let at = 0; at < digests.length; at += entryBytes)
      this.#digests.push(digests.subarray(at, at + entryBytes));
  }

  /** Digest entries, `entryBytes` per row, of the rows that `keep` selects. */
  digests(keep: (index: number) => boolean): Buffer {
    return Buffer.concat(this.#digests.filter((_, index) => keep(index) && !this.unproven.has(index)));
  }
}

/**
 * Opens values under the old keys and seals them under the new ones, without a database. One result per row, in order.
 * What runs per value, here and in formats and documents, is in functions that live on: at every full garbage
 * collection, V8 discards the compiled code of closures that are no longer referenced, and has to compile it again.
 * @param digests key of the row digests
 * @param readBack opens the sealed values again, and throws if a plaintext differs
 */
export function rotateRows(
  prepared: PreparedTarget,
  rows: readonly Row[],
  rotation: Rotation,
  digests: Buffer,
  { readBack = false }: { readonly readBack?: boolean } = {},
): RotatedRows {
  const rotated = new RotatedRows();
  for (const slice of slices(rows)) {
    const first = rotated.rows.length;
    const values = slice.map((row, i) => valuesOf(prepared, row, first + i));
    const all = values.flat();
    classify(all, rotation);
    seal(all, rotation);
    if (readBack) assertReadable(all, rotation.to);
    const counted = values.map((each) => each.filter(isValue));
    const entries = digestRows(slice, counted, digests, evidence);
    rotated.add(
      slice.map((row, i) => {
        const summary = summarise(prepared, row, counted[i] ?? []);
        const id = entries.toString('latin1', i * entryBytes, i * entryBytes + digestBytes);
        if (!isUnproven(id, counted[i] ?? [], rotation)) return summary;
        rotated.unproven.add(first + i);
        return { ...summary, tally: emptyTally() };
      }),
      entries,
    );
    slice.forEach((row, i) => {
      const of = counted[i] ?? [];
      if (of.some(({ reason }) => reason === 'undecided'))
        rotated.asLeft.set(first + i, digestRows([row], [of], digests, evidenceAsLeft));
    });
  }
  return rotated;
}

function isUnproven(id: string, values: readonly Value[], { known = null }: Rotation): boolean {
  if (known === null || known.has(id)) return false;
  return values.some(({ isUnderNewKey, outcome }) => isUnderNewKey && outcome === 'current');
}

function digestRows(
  rows: readonly Row[],
  values: readonly (readonly Value[])[],
  key: Buffer,
  as: (value: Value) => Evidence,
): Buffer {
  const messages = new Messages();
  for (const [i, row] of rows.entries()) addRow(messages, row, (values[i] ?? []).filter(isDigested).map(as));
  return digestAll(key, messages);
}

function assertReadable(values: readonly Value[], to: Keyring): void {
  const sealed = values.filter((value) => value.sealed !== null && value.plain !== null);
  for (const [format, batch] of byFormat(sealed)) {
    const openings = format.open(
      batch.map((value) => value.sealed as string),
      to,
      placesOf(batch, format),
    );
    batch.forEach((value, i) => {
      const opening = openings[i];
      const [inner] = typeof opening === 'object' ? peel([opening.plain], value.prepared.layers, [to]) : [];
      const same =
        inner !== undefined &&
        (!isDigested(value) ||
          (inner.layers.length === value.layers.length && inner.plain.equals(value.plain as Buffer)));
      if (!same) throw new Error(`format ${format.name} does not open what it sealed`);
    });
  }
}

/**
 * The master key itself must differ after the run, so its field is exempt from the digest (invariant 8), unless the
 * value could not be replaced.
 */
function isDigested({ prepared, outcome }: Value): boolean {
  return (
    prepared.field.becomes === undefined ||
    (outcome !== 'rotated' && outcome !== 'current' && outcome !== 'empty')
  );
}

function evidence(value: Value): Evidence {
  const { column } = value.prepared.field;
  return value.plain === null
    ? { kind: 'stored', column, path: value.path, bytes: value.text, layers: [] }
    : { kind: 'plaintext', column, path: value.path, bytes: value.plain, layers: value.layers };
}

function evidenceAsLeft(value: Value): Evidence {
  const left = value.outcome === 'rotated' || value.outcome === 'undecided';
  return evidence(left ? { ...value, plain: null } : value);
}

function seal(values: readonly Value[], { to }: Rotation): void {
  for (const [format, batch] of byFormat(values.filter(isOpened))) {
    const plain: Buffer[] = [];
    for (const value of batch) {
      const isMaster = value.prepared.field.becomes === 'primary';
      plain.push(
        isMaster
          ? Buffer.from((to.stored ?? to.primary).text)
          : sealLayers(value.plain as Buffer, value.layers, to),
      );
    }
    const sealed = format.seal(plain, to, textsOf(batch), placesOf(batch, format));
    for (const [i, value] of batch.entries()) value.sealed = sealed[i] ?? null;
  }
}

function isValue({ outcome }: Value): boolean {
  return outcome !== 'nothing';
}

function isOpened({ outcome, plain }: Value): boolean {
  return outcome === 'rotated' && plain !== null;
}

function isSealed({ sealed }: Value): boolean {
  return sealed !== null;
}

function isRelabelled({ relabelled }: Value): boolean {
  return relabelled !== null;
}

function summarise(prepared: PreparedTarget, row: Row, values: readonly Value[]): RotatedRow {
  const tally = emptyTally();
  const exceptions: Exception[] = [];
  tally.rows = 1;
  tally.values = values.length;
  if (values.length === 0) tally.filtered = 1;
  for (const { outcome, reason, path, isNested, prepared: of } of values) {
    if (outcome !== 'nothing') tally[outcome]++;
    if (isNested) tally.nested++;
    if (reason !== null) {
      exceptions.push({
        target: targetName(prepared.target),
        rowId: row.id,
        field: of.field.column,
        path,
        reason,
      });
    }
  }
  return { change: changeOf(row, values), tally, exceptions };
}

function changeOf(row: Row, values: readonly Value[]): Change | null {
  const edited = values.filter(isSealed);
  const relabelled = values.filter(isRelabelled);
  if (edited.length === 0 && relabelled.length === 0) return null;
  const next = [...row.values];
  const edits = new Map<PreparedField, Edit[]>();
  for (const { prepared, leaf, sealed } of edited) {
    const edit = { leaf: leaf as Leaf, text: sealed as string };
    const others = edits.get(prepared);
    if (others === undefined) edits.set(prepared, [edit]);
    else others.push(edit);
  }
  for (const [{ field, document }, all] of edits)
    storeIn(field, next, document.edit(storedIn(field, row) ?? '', all));
  for (const { prepared, relabelled: text } of relabelled) next[prepared.field.set?.index ?? -1] = text;
  return { id: row.id, old: row.values, new: next };
}
