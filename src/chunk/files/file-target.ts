import { isWriting, type Run } from '../../checkpoint/run.ts';
import type { RowId } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import type { Listings } from '../../files/listings.ts';
import { Originals } from '../../files/originals.ts';
import { Tree } from '../../files/tree.ts';
import type { FileCipher } from '../../formats/format.ts';
import type { Job, Target } from '../../job/job.ts';
import { digestAll, Messages } from '../digest.ts';
import { addRow } from '../evidence.ts';
import type { PreparedField, PreparedTarget } from '../values/field-values.ts';
import type { WorkerContext } from '../worker-context.ts';

/** The column that stands for the content of a file. */
export const fileColumn = 'content';

/** The folder of a target, on this host. */
export function treeOf(target: Target, attachments: string | null, listings: Listings | null = null): Tree {
  if (attachments === null) throw unseen(target, 'started without --attachments');
  return new Tree(attachments, target.tree, listings);
}

/** Null: the job has no files. */
export function originalsOf(job: Job, attachments: string | null): Originals | null {
  const target = job.targets.find(({ tree }) => tree !== undefined);
  return target === undefined ? null : new Originals(treeOf(target, attachments));
}

/**
 * The folder of a target and the folder of its originals.
 *
 * @throws KeyturnError `attachments-unseen`: another worker has to process the chunk.
 */
export async function seenTree(
  target: Target,
  run: Run,
  { attachments, listings }: Pick<WorkerContext, 'attachments' | 'listings'>,
): Promise<{ readonly tree: Tree; readonly originals: Originals }> {
  const tree = treeOf(target, attachments, listings(run));
  const originals = new Originals(tree);
  if (isWriting(run.kind) && !(await originals.areOf(run.id)))
    throw unseen(target, `${tree.folder} and ${originals.folder} are not those of run ${run.id}`);
  return { tree, originals };
}

function unseen({ shape }: Target, why: string): KeyturnError {
  return new KeyturnError(
    'attachments-unseen',
    `files of ${shape.table} not available on this host: ${why}`,
    {
      hint: 'use --attachments with the path of the folder on this host; the folder of the originals must be beside it',
      facts: { target: shape.table },
    },
  );
}

/** The only field of a target of whole files (not isDocuments), with its cipher. */
export function fileField({
  target,
  fields,
}: PreparedTarget): PreparedField & { readonly cipher: FileCipher } {
  const [field] = fields;
  if (field?.format.files === undefined) throw new Error(`${target.shape.table} has no format for files`);
  return { ...field, cipher: field.format.files };
}

export function pathOf(rowId: RowId): string {
  return rowId[0] ?? '';
}

/** Digests of the path and of the plaintext (or stored content) by its SHA-256: a file may be larger than memory. */
export function fileDigest(key: Buffer, path: string, kind: 'plaintext' | 'stored', sha256: Buffer): Buffer {
  const messages = new Messages();
  addRow(messages, { id: [path], values: [] }, [
    { kind, column: fileColumn, path: '', bytes: sha256, layers: [] },
  ]);
  return digestAll(key, messages);
}
