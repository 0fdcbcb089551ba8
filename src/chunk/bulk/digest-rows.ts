import type { Texts } from '../../texts.ts';
import { digestAll, Messages } from '../digest.ts';
import { tags } from '../evidence.ts';
import type { PreparedField } from '../values/field-values.ts';

/** What a value of an ordinary row is. */
export const empty = 0;
export const opened = 1;

export interface DigestedColumn {
  readonly prepared: PreparedField;
  readonly plain: Texts;
  /** `empty` or `opened`. */
  readonly outcomes: Int8Array;
}

/** Digest entries as those of `addRow` (evidence.ts), for rows by column. */
export function digestRows(
  ids: readonly Texts[],
  columns: readonly DigestedColumn[],
  rows: Int32Array,
  key: Buffer,
): Buffer {
  const messages = new Messages();
  const names = columns.map(({ prepared }) => Buffer.from(prepared.field.column));
  for (const i of rows) {
    messages.begin(tags.rowId);
    addIds(messages, ids, i);
    messages.finish();
    messages.begin(tags.row);
    addIds(messages, ids, i);
    for (let n = 0; n < columns.length; n++) {
      const { plain, outcomes } = columns[n] as DigestedColumn;
      const name = names[n] as Buffer;
      const isOpened = outcomes[i] === opened;
      messages.addBytes(name, 0, name.length, tags.column);
      messages.addBytes(name, 0, 0, tags.path);
      messages.addBytes(
        plain.bytes,
        isOpened ? (plain.starts[i] as number) : 0,
        isOpened ? (plain.lengths[i] as number) : 0,
        isOpened ? tags.plaintext : tags.stored,
      );
    }
    messages.finish();
  }
  return digestAll(key, messages);
}

function addIds(messages: Messages, ids: readonly Texts[], i: number): void {
  for (const { bytes, starts, lengths } of ids)
    messages.addBytes(bytes, starts[i] as number, lengths[i] as number, tags.id);
}
