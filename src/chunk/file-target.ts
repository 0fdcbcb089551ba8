import type { Run } from '../checkpoint/run.ts';
import type { RowId } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Listings } from '../files/listings.ts';
import { Originals } from '../files/originals.ts';
import { Tree } from '../files/tree.ts';
import type { FileCipher } from '../formats/format.ts';
import type { Job, Target } from '../job/job.ts';
import { digestAll, Messages } from './digest.ts';
import { addRow } from './evidence.ts';
import type { PreparedField, PreparedTarget } from './field-values.ts';
import type { WorkerContext } from './worker-context.ts';

/** The column that a file's content counts as. */
export const fileColumn = 'content';

/** The tree of a target, on this host. */
export function treeOf(target: Target, attachments: string | null, listings: Listings | null = null): Tree {
  if (attachments === null) throw unseen(target, 'was given no --attachments');
  return new Tree(attachments, target.tree?.folders ?? [], listings);
}

/** Null: the job has no files. */
export function originalsOf(job: Job, attachments: string | null): Originals | null {
  const target = job.targets.find(({ tree }) => tree !== undefined);
  return target === undefined ? null : new Originals(treeOf(target, attachments));
}

/**
 * The tree and the folder of its originals, for a run that writes.
 *
 * @throws KeyturnError `attachments-unseen`: the chunk is for another worker.
 */
export async function seenTree(
  target: Target,
  run: Run,
  { attachments, listings }: Pick<WorkerContext, 'attachments' | 'listings'>,
): Promise<{ readonly tree: Tree; readonly originals: Originals }> {
  const tree = treeOf(target, attachments, listings(run));
  const originals = new Originals(tree);
  if (run.kind === 'rotation' && !(await originals.areOf(run.id)))
    throw unseen(target, `does not see those of run ${run.id} in ${tree.folder} and ${originals.folder}`);
  return { tree, originals };
}

function unseen({ shape }: Target, why: string): KeyturnError {
  return new KeyturnError('attachments-unseen', `the files of ${shape.table}: this host ${why}`, {
    hint: 'give --attachments the folder as this host sees it, with the folder of the originals beside it',
    facts: { target: shape.table },
  });
}

/** The one field of a target that is a tree, with its cipher at hand. */
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

/** Digest of the path, then of what the file says (or stores), by its SHA-256: a file may be larger than memory. */
export function fileDigest(key: Buffer, path: string, kind: 'plaintext' | 'stored', sha256: Buffer): Buffer {
  const messages = new Messages();
  addRow(messages, { id: [path], values: [] }, [{ kind, column: fileColumn, path: '', bytes: sha256 }]);
  return digestAll(key, messages);
}
