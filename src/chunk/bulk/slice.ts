import type { Batch, Row, RowId } from '../../databases/database.ts';
import { type Texts, textAt, textsBetween } from '../../texts.ts';

/** Limits memory: what is computed of a slice takes several times this. */
const most = 1024 * 1024;

/** Divides a batch into parts that are processed together. A row is never divided. */
export function* slicesOf({ rows, id, columns }: Batch): Generator<Batch> {
  for (let from = 0, to = 0; from < rows; from = to) {
    for (let bytes = 0; to < rows && (to === from || bytes < most); to++)
      for (const { lengths } of columns) bytes += Math.max(0, lengths[to] as number);
    const part = (texts: Texts): Texts => textsBetween(texts, from, to);
    yield { rows: to - from, id: id.map(part), columns: columns.map(part) };
  }
}

export function rowAt(batch: Batch, i: number): Row {
  return { id: idAt(batch, i), values: batch.columns.map((texts) => textAt(texts, i)) };
}

export function idAt({ id }: Pick<Batch, 'id'>, i: number): RowId {
  return id.map((texts) => textAt(texts, i) ?? '');
}

/** The places below `count` of which something holds, and the others. */
export function divided(count: number, holds: (place: number) => boolean): [Int32Array, Int32Array] {
  const places = new Int32Array(count);
  const others = new Int32Array(count);
  let held = 0;
  for (let i = 0; i < count; i++) {
    if (holds(i)) places[held++] = i;
    else others[i - held] = i;
  }
  return [places.subarray(0, held), others.subarray(0, count - held)];
}

/** The texts of `under`, but where `isOver` holds, the next one of `over`. */
export function overlaid(under: Texts, over: Texts, isOver: (place: number) => boolean): Texts {
  const count = under.lengths.length;
  const texts = {
    bytes: Buffer.concat([under.bytes, over.bytes]),
    starts: new Int32Array(count),
    lengths: new Int32Array(count),
  };
  for (let i = 0, next = 0; i < count; i++) {
    const from = isOver(i) ? over : under;
    const place = from === over ? next++ : i;
    texts.starts[i] = (from.starts[place] as number) + (from === over ? under.bytes.length : 0);
    texts.lengths[i] = from.lengths[place] as number;
  }
  return texts;
}
