import type { Change, Row } from '../databases/database.ts';
import type { Leaf } from '../documents/document.ts';
import { targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { classify, type Rotation } from './classify.ts';
import { digestAll, Messages } from './digest.ts';
import { addRow, type Evidence } from './evidence.ts';
import type { Exception } from './exception-table.ts';
import { byFormat, type PreparedTarget } from './field-values.ts';
import { emptyTally, type Tally } from './tally.ts';
import { type Value, valuesOf } from './value.ts';

export interface RotatedRow {
  readonly change: Change | null;
  readonly tally: Tally;
  readonly exceptions: readonly Exception[];
}

/** Opens under the old keys and seals under the new ones; touches no database. One result per row, in order. */
export function rotateRows(prepared: PreparedTarget, rows: readonly Row[], rotation: Rotation): RotatedRows {
  const values = rows.flatMap((row, index) => valuesOf(prepared, row, index));
  classify(values, rotation);
  seal(values, rotation);
  return new RotatedRows(prepared, rows, values, rotation.to);
}

/** The outcome of `rotateRows`, row by row. */
export class RotatedRows {
  readonly rows: readonly RotatedRow[];
  readonly #source: readonly Row[];
  readonly #values: readonly (readonly Value[])[];
  readonly #to: Keyring;

  constructor(prepared: PreparedTarget, source: readonly Row[], values: readonly Value[], to: Keyring) {
    const perRow: Value[][] = source.map(() => []);
    for (const value of values) if (value.outcome !== 'nothing') perRow[value.row]?.push(value);
    this.#to = to;
    this.#source = source;
    this.#values = perRow;
    this.rows = source.map((row, i) => summarise(prepared, row, perRow[i] ?? []));
  }

  /** Packed digests, `entryBytes` a row, of the rows that `keep` names. */
  digests(key: Buffer, keep: (index: number) => boolean): Buffer {
    const messages = new Messages();
    this.#source.forEach((row, i) => {
      if (keep(i)) addRow(messages, row, (this.#values[i] ?? []).filter(isDigested).map(evidence));
    });
    return digestAll(key, messages);
  }

  /** Rows with a value that opens under the old and the new keys. */
  get ambiguous(): number[] {
    return this.#values.flatMap((values, i) =>
      values.some(({ reason }) => reason === 'undecided') ? [i] : [],
    );
  }

  /** Packed digests of these rows, as if what is rotated here, or undecided, had been left as it is stored. */
  digestsAsLeft(key: Buffer, rows: readonly number[]): Buffer {
    const messages = new Messages();
    for (const i of rows) {
      const [row, values = []] = [this.#source[i], this.#values[i]];
      if (row !== undefined) addRow(messages, row, values.filter(isDigested).map(evidenceAsLeft));
    }
    return digestAll(key, messages);
  }

  /** Throws when something sealed does not open under the new keys with the same plaintext. */
  assertReadable(): void {
    const sealed = this.#values.flat().filter((value) => value.sealed !== null && value.plain !== null);
    for (const [format, batch] of byFormat(sealed)) {
      const openings = format.open(
        batch.map((value) => value.sealed as string),
        this.#to,
      );
      batch.forEach((value, i) => {
        const opening = openings[i];
        const same =
          typeof opening === 'object' && (!isDigested(value) || opening.plain.equals(value.plain as Buffer));
        if (!same) throw new Error(`format ${format.name} does not open what it sealed`);
      });
    }
  }
}

/**
 * The master key itself must differ afterwards: exempt from the digest, by name (invariant 8), unless it could not be
 * replaced.
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
    ? { kind: 'stored', column, path: value.path, bytes: value.text }
    : { kind: 'plaintext', column, path: value.path, bytes: value.plain };
}

function evidenceAsLeft(value: Value): Evidence {
  const left = value.outcome === 'rotated' || value.outcome === 'undecided';
  return evidence(left ? { ...value, plain: null } : value);
}

function seal(values: readonly Value[], { to }: Rotation): void {
  const open = values.filter((value) => value.outcome === 'rotated' && value.plain !== null);
  for (const [format, batch] of byFormat(open)) {
    const plain = batch.map((value) =>
      value.prepared.field.becomes === 'primary' ? Buffer.from(to.primary.text) : (value.plain as Buffer),
    );
    const sealed = format.seal(
      plain,
      to,
      batch.map((value) => value.text),
    );
    batch.forEach((value, i) => {
      value.sealed = sealed[i] ?? null;
    });
  }
}

function summarise(prepared: PreparedTarget, row: Row, values: readonly Value[]): RotatedRow {
  const tally = emptyTally();
  const exceptions: Exception[] = [];
  tally.rows = 1;
  tally.values = values.length;
  if (values.length === 0) tally.filtered = 1;
  for (const { outcome, reason, path, prepared: of } of values) {
    if (outcome !== 'nothing') tally[outcome]++;
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
  const edited = values.filter((value) => value.sealed !== null);
  if (edited.length === 0) return null;
  const next = [...row.values];
  for (const field of new Set(edited.map((value) => value.prepared))) {
    const edits = edited
      .filter((value) => value.prepared === field)
      .map((value) => ({ leaf: value.leaf as Leaf, text: value.sealed as string }));
    next[field.field.index] = field.document.edit(row.values[field.field.index] ?? '', edits);
  }
  return { id: row.id, old: row.values, new: next };
}
