import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Row } from '../../databases/database.ts';
import { StoredFile } from '../../files/stored-file.ts';
import type { Tree } from '../../files/tree.ts';
import type { PreparedTarget } from '../values/field-values.ts';

/** More than this is not read as a whole. V8 cannot make a string of more than 512 MB. */
const mostBytes = 256 * 1024 * 1024;

/** Whether each file of the target is text with ciphertext in it. False: the whole file is ciphertext, and is streamed. */
export function isDocuments({ fields }: PreparedTarget): boolean {
  return fields[0]?.format.files === undefined;
}

/** Whether a file of this size is read as a whole. */
export function isReadable(bytes: number): boolean {
  return bytes <= mostBytes;
}

/** A file as a row whose only column is its content. Null: it is not UTF-8, or too large, and so no document. */
export function rowOfFile(path: string, bytes: Buffer): Row | null {
  if (!isReadable(bytes.length) || !isUtf8(bytes)) return null;
  return { id: [path], values: [bytes.toString('utf8')] };
}

/** The files of a tree that are documents, in pages. */
export async function* documentPages(
  tree: Tree,
  page: { readonly rows: number; readonly bytes: number },
): AsyncGenerator<readonly Row[]> {
  let rows: Row[] = [];
  let bytes = 0;
  for await (const path of tree.files()) {
    const row = await readRow(tree, path);
    if (row === null) continue;
    rows.push(row);
    bytes += row.values[0]?.length ?? 0;
    if (rows.length < page.rows && bytes < page.bytes) continue;
    yield rows;
    rows = [];
    bytes = 0;
  }
  if (rows.length > 0) yield rows;
}

/** With the SHA-256 of the file in hex. Null: the file is no document. */
export async function readDocument(
  path: string,
  file: StoredFile,
): Promise<{ readonly row: Row; readonly sha256: string } | null> {
  if (!isReadable(file.size)) return null;
  const bytes = await file.read(0, file.size);
  const row = rowOfFile(path, bytes);
  return row && { row, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function readRow(tree: Tree, path: string): Promise<Row | null> {
  const file = await StoredFile.open(tree.at(path));
  if (file === null) return null;
  try {
    return (await readDocument(path, file))?.row ?? null;
  } finally {
    await file.close();
  }
}
