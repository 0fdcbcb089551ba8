import type { Row } from '../databases/database.ts';
import type { Messages } from './digest.ts';

/** One value as the digest sees it: what it says if it opened, else the very text that is stored. */
export interface Evidence {
  readonly kind: 'plaintext' | 'stored';
  readonly column: string;
  readonly path: string;
  readonly bytes: Buffer | string;
}

/** Two messages a row, so that the packed result is (digest of the row id, digest of the row) again and again. */
export function addRow(messages: Messages, row: Row, evidence: readonly Evidence[]): void {
  messages.begin();
  messages.add('id');
  for (const part of row.id) messages.add(part);
  messages.finish();
  messages.begin();
  messages.add('row');
  for (const part of row.id) messages.add(part);
  for (const { kind, column, path, bytes } of evidence) {
    messages.add(kind);
    messages.add(column);
    messages.add(path);
    messages.add(bytes);
  }
  messages.finish();
}
