import { createHash } from 'node:crypto';
import type { ExceptionReason } from '../../checkpoint/exception-table.ts';
import type { Row } from '../../databases/database.ts';
import type { StoredFile } from '../../files/stored-file.ts';
import type { Key } from '../../keys/key.ts';
import type { ValueOutcome } from '../values/value.ts';
import { type VerifiedRow, verifyRows } from '../verify-rows.ts';
import { isDocuments, readDocument } from './document-file.ts';
import { fileDigest, fileField } from './file-target.ts';
import type { FileWork } from './file-work.ts';

type FileOutcome = readonly [Exclude<ValueOutcome, 'nothing'>, ExceptionReason | null];

/** Looks only at the length and the end of the file: a wrong key can fail only at the padding, which is at the end. */
export async function classifyFile({ prepared, rotation }: FileWork, file: StoredFile): Promise<FileOutcome> {
  const { field, cipher } = fileField(prepared);
  if (file.size === 0) return ['empty', null];
  if (!cipher.mayBe(file.size))
    return field.foreign === 'leave' ? ['current', null] : ['exceptions', 'not-ciphertext'];
  const tail = await file.read(file.size - cipher.tailBytes, cipher.tailBytes);
  const old = cipher.opensTail(tail, rotation.from.primary);
  const current =
    (rotation.mode === 'sweep' || rotation.tryAll === true) && cipher.opensTail(tail, rotation.to.primary);
  if (old && current) return ['undecided', 'undecided'];
  if (current) return ['current', null];
  if (old) return ['rotated', null];
  return field.closed === 'look-alike' ? ['lookAlikes', null] : ['exceptions', 'does-not-open'];
}

/**
 * A file that stays is digested as the verifier will read it: under the new key, which may seem to open it by chance.
 */
export async function evidenceOf(work: FileWork, path: string, file: StoredFile): Promise<Buffer> {
  if (isDocuments(work.prepared)) {
    const document = await readDocument(path, file);
    if (document !== null) return digestOf(work, document.row);
    return fileDigest(work.digestKey, path, 'stored', Buffer.from(await file.sha256(), 'hex'));
  }
  const { cipher } = fileField(work.prepared);
  const key = work.rotation.to.primary;
  if (cipher.mayBe(file.size)) {
    const tail = await file.read(file.size - cipher.tailBytes, cipher.tailBytes);
    if (cipher.opensTail(tail, key)) {
      const plain = createHash('sha256');
      for await (const block of openedBlocks(work, file, key)) plain.update(block);
      return fileDigest(work.digestKey, path, 'plaintext', plain.digest());
    }
  }
  return fileDigest(work.digestKey, path, 'stored', Buffer.from(await file.sha256(), 'hex'));
}

function digestOf({ prepared, rotation: { to }, digestKey }: FileWork, row: Row): Buffer {
  const [{ id, digest }] = verifyRows(prepared, [row], to, digestKey) as [VerifiedRow];
  return Buffer.from(id + digest, 'latin1');
}

/** Streams the plaintext of a file. `stored` is updated with the file's content. */
export async function* openedBlocks(
  { prepared }: FileWork,
  file: StoredFile,
  key: Key,
  stored = createHash('sha256'),
): AsyncGenerator<Buffer> {
  const { cipher } = fileField(prepared);
  const head = await file.read(0, cipher.headBytes);
  stored.update(head);
  const opener = cipher.opener(head, key);
  for await (const block of file.blocks(cipher.headBytes)) {
    stored.update(block);
    yield opener.update(block);
  }
  yield opener.final();
}
