import type { Row } from '../databases/database.ts';
import type { Messages } from './digest.ts';

/** What the digest contains of one value: its plaintext if it opened, otherwise the stored text. */
export interface Evidence {
  readonly kind: 'plaintext' | 'stored';
  readonly column: string;
  readonly path: string;
  readonly bytes: Buffer | string;
}

/** Tags of messages and of their parts. Must never change: digests of unfinished runs would no longer match. */
const tags = { rowId: 1, row: 2, id: 3, column: 4, path: 5, plaintext: 6, stored: 7 } as const;

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
  for (const { kind, column, path, bytes } of evidence) {
    messages.add(column, tags.column);
    messages.add(path, tags.path);
    messages.add(bytes, tags[kind]);
  }
  messages.finish();
}
