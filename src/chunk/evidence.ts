import type { Row } from '../databases/database.ts';
import type { Messages } from './digest.ts';
import type { Layer } from './values/layers.ts';

/**
 * What the digest contains of one value: its plaintext if it opened, otherwise the stored text. Of a plaintext that is
 * ciphertext itself, the innermost, and which formats are around it: a layer more or less is a change.
 */
export interface Evidence {
  readonly kind: 'plaintext' | 'stored';
  readonly column: string;
  readonly path: string;
  readonly bytes: Buffer | string;
  /** From the outside in, without the value's own. */
  readonly layers: readonly Pick<Layer, 'format'>[];
}

/** Tags of messages and of their parts. Must never change: digests of unfinished runs would no longer match. */
export const tags = {
  rowId: 1,
  row: 2,
  id: 3,
  column: 4,
  path: 5,
  plaintext: 6,
  stored: 7,
  layer: 8,
} as const;

export function addRowId(messages: Messages, id: Row['id']): void {
  messages.begin(tags.rowId);
  for (const part of id) messages.add(part, tags.id);
  messages.finish();
}

/** Adds two messages per row, so that the digests are pairs: digest of the row id, digest of the row. */
export function addRow(messages: Messages, row: Row, evidence: readonly Evidence[]): void {
  addRowId(messages, row.id);
  messages.begin(tags.row);
  for (const part of row.id) messages.add(part, tags.id);
  for (const { kind, column, path, bytes, layers } of evidence) {
    messages.add(column, tags.column);
    messages.add(path, tags.path);
    for (const { format } of layers) messages.add(format.name, tags.layer);
    messages.add(bytes, tags[kind]);
  }
  messages.finish();
}
