import type { Intent } from '../../checkpoint/file-intents.ts';
import type { StoredFile } from '../../files/stored-file.ts';
import { targetName } from '../../job/job.ts';
import { assertOneKey } from '../assert-one-key.ts';
import { type RotatedRow, rotateRows } from '../rotate-rows.ts';
import { evidenceOf } from './classify-file.ts';
import { isDocuments, readDocument, rowOfFile } from './document-file.ts';
import type { FileWork, RotatedFiles } from './file-work.ts';
import { createNext, type Sealed } from './sealed-file.ts';

/** A document is read as a whole, and its values become what they would become in a row. */
export async function rotateDocument(
  work: FileWork,
  path: string,
  file: StoredFile,
  rotated: RotatedFiles,
): Promise<Sealed | 'done' | 'changed'> {
  const { prepared, rotation, digestKey, originals } = work;
  const document = await readDocument(path, file);
  if (document === null) {
    rotated.add(path, 'exceptions', await evidenceOf(work, path, file), 'malformed-document');
    return 'done';
  }
  const result = rotateRows(prepared, [document.row], rotation, digestKey, { readBack: originals === null });
  assertOneKey(result.rows, targetName(prepared.target));
  const [row] = result.rows as [RotatedRow];
  const digest = result.digests(() => true);
  if (row.change === null || originals === null) {
    rotated.addRow(row, digest);
    return 'done';
  }
  const next = await createNext(work, path);
  try {
    await next.write(Buffer.from(row.change.new[0] ?? ''));
    const intent = { path, old: document.sha256, new: await next.finish(file), digest };
    if (await file.isUnchanged()) return { path, file, next, intent, row: { ...row, change: null } };
  } catch (error) {
    await next.discard();
    throw error;
  }
  await next.discard();
  return 'changed';
}

/** What became of a file that this chunk has renamed before. The original still tells how many values that were. */
export async function rowOfOriginal(
  { prepared, rotation, digestKey, originals }: FileWork,
  path: string,
  { old }: Intent,
  rotated: RotatedFiles,
): Promise<RotatedRow> {
  const kept = isDocuments(prepared) ? await originals?.read(path, old) : undefined;
  const row = kept === undefined || kept === null ? null : rowOfFile(path, kept);
  if (row === null) return rotated.rowOf(path, 'rotated');
  const [again] = rotateRows(prepared, [row], rotation, digestKey).rows as [RotatedRow];
  return { ...again, change: null };
}
