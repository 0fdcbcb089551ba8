import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Chunk } from '../../checkpoint/chunk.ts';
import { StoredFile } from '../../files/stored-file.ts';
import type { Tree } from '../../files/tree.ts';
import { syncFolder } from '../../sync-folder.ts';
import { publishStep } from '../chunk-step.ts';
import type { Rotation } from '../values/classify.ts';
import type { PreparedTarget } from '../values/field-values.ts';
import { Stale } from '../worker-context.ts';
import { classifyFile, evidenceOf, openedBlocks } from './classify-file.ts';
import { isDocuments } from './document-file.ts';
import { fileDigest, fileField, pathOf } from './file-target.ts';
import { type FileWork, RotatedFiles } from './file-work.ts';
import { rotateDocument, rowOfOriginal } from './rotate-document.ts';
import { createNext, type Sealed } from './sealed-file.ts';

/** After this many attempts, a file that is written while it is rotated is left alone. */
const mostPasses = 3;
/** Each of them is open until it is renamed. */
const atOnce = 100;

/** Does everything except write: each sealed block is opened again and discarded. */
export function rehearseFiles(
  tree: Tree,
  prepared: PreparedTarget,
  range: Chunk['range'],
  rotation: Rotation,
  digestKey: Buffer,
): Promise<RotatedFiles> {
  return rotateFiles({
    prepared,
    chunk: { chunk: 0, range, rowIds: null },
    run: '',
    rotation,
    digestKey,
    tree,
    originals: null,
    known: new Map(),
    intend: async () => undefined,
  });
}

/**
 * Replaces the files of a chunk: writes all new files beside the old ones and syncs them, commits the intents, keeps
 * the originals, then renames one file after the other. After a crash, the intents show which files were renamed. A
 * file that is neither the old nor the new one is an exception and is not touched.
 */
export async function rotateFiles(work: FileWork): Promise<RotatedFiles> {
  const rotated = new RotatedFiles(work.prepared);
  const paths = await pathsOf(work);
  if (work.originals !== null && work.known.size > 0) await removeLeftovers(work, paths);
  for (let i = 0; i < paths.length; i += atOnce) await rotateBatch(work, paths.slice(i, i + atOnce), rotated);
  return rotated;
}

async function rotateBatch(work: FileWork, paths: readonly string[], rotated: RotatedFiles): Promise<void> {
  let left = paths;
  for (let pass = 0; pass < mostPasses && left.length > 0; pass++) {
    // A worker that was suspended stops here, before it mistakes the new files of another worker
    if (work.originals !== null) await work.intend([]);
    left = await rotatePass(work, left, pass === 0, rotated);
  }
  for (const path of left) {
    const file = await StoredFile.open(work.tree.at(path));
    if (file === null) continue;
    try {
      rotated.add(path, 'exceptions', await evidenceOf(work, path, file), 'changing');
    } finally {
      await file.close();
    }
  }
}

async function pathsOf({ tree, chunk: { rowIds, range } }: FileWork): Promise<string[]> {
  if (rowIds !== null) return rowIds.map(pathOf);
  const paths: string[] = [];
  const [after, upTo] = [range.after, range.upTo].map((id) => (id === null ? null : pathOf(id)));
  for await (const path of tree.files({ after: after ?? null, upTo: upTo ?? null })) paths.push(path);
  return paths;
}

/**
 * Removes the new files of a worker that died while it processed this chunk. If it is alive after all, it does not find
 * its new file and stops. Without intents, it has renamed nothing and never will, since it would find the intents of
 * this worker; what it left is removed at the end of the run.
 */
async function removeLeftovers({ tree, run, chunk }: FileWork, paths: readonly string[]): Promise<void> {
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    for (const name of await tree.ownNames(folder, `${run}-${chunk.chunk}`))
      await rm(join(tree.at(folder), name), { force: true });
  }
}

/** Returns the files that were changed meanwhile. */
async function rotatePass(
  work: FileWork,
  paths: readonly string[],
  first: boolean,
  rotated: RotatedFiles,
): Promise<string[]> {
  const sealed: Sealed[] = [];
  const changed: string[] = [];
  try {
    for (const path of paths) {
      publishStep('open', work.run, work.chunk.chunk);
      const file = await StoredFile.open(work.tree.at(path));
      if (file === null) continue;
      const next = await rotateFile(work, path, file, first, rotated).catch(async (error: unknown) => {
        await file.close();
        throw error;
      });
      if (typeof next === 'object') sealed.push(next);
      else await file.close();
      if (next === 'changed') changed.push(path);
    }
    return [...changed, ...(await replace(work, sealed, rotated))];
  } finally {
    for (const { file, next } of sealed) {
      await file.close();
      await next.discard();
    }
  }
}

/** Writes the new file beside the old one, or records another outcome. */
async function rotateFile(
  work: FileWork,
  path: string,
  file: StoredFile,
  first: boolean,
  rotated: RotatedFiles,
): Promise<Sealed | 'done' | 'changed'> {
  const known = work.known.get(path);
  if (known !== undefined) {
    const stored = await file.sha256();
    const done = known.find((intent) => intent.new === stored);
    if (done !== undefined) {
      rotated.addRow(await rowOfOriginal(work, path, done, rotated), done.digest);
      return 'done';
    }
    // In later passes, this worker itself has seen the change and reads the file again
    if (first && !known.some(({ old }) => old === stored)) {
      rotated.add(path, 'exceptions', await evidenceOf(work, path, file), 'changing');
      return 'done';
    }
  }
  if (isDocuments(work.prepared)) return rotateDocument(work, path, file, rotated);
  const [outcome, reason] = await classifyFile(work, file);
  if (outcome === 'rotated') return seal(work, path, file, rotated);
  const stored = await file.sha256();
  // The file stays in use, and a link would change with it
  if (work.originals !== null && !(await work.originals.keep(path, file, stored, 'copy'))) return 'changed';
  rotated.add(path, outcome, await evidenceOf(work, path, file), reason);
  return 'done';
}

async function seal(
  work: FileWork,
  path: string,
  file: StoredFile,
  rotated: RotatedFiles,
): Promise<Sealed | 'done' | 'changed'> {
  const { cipher } = fileField(work.prepared);
  const { head, cipher: sealer } = cipher.sealer(work.rotation.to.primary);
  const [stored, plain, again] = [createHash('sha256'), createHash('sha256'), createHash('sha256')];
  const digestOf = (sha256: Buffer): Buffer => fileDigest(work.digestKey, path, 'plaintext', sha256);
  const blocks = openedBlocks(work, file, work.rotation.from.primary, stored);
  if (work.originals === null) {
    // A dry run: what was sealed must open again with the same plaintext
    const opener = cipher.opener(head, work.rotation.to.primary);
    for await (const block of blocks) {
      plain.update(block);
      again.update(opener.update(sealer.update(block)));
    }
    again.update(opener.update(sealer.final()));
    again.update(opener.final());
    const said = plain.digest();
    if (!again.digest().equals(said)) throw new Error('a sealed file does not open again');
    rotated.add(path, 'rotated', digestOf(said));
    return 'done';
  }
  const next = await createNext(work, path);
  try {
    await next.write(head);
    for await (const block of blocks) {
      plain.update(block);
      await next.write(sealer.update(block));
    }
    await next.write(sealer.final());
    const intent = {
      path,
      old: stored.digest('hex'),
      new: await next.finish(file),
      digest: digestOf(plain.digest()),
    };
    if (await file.isUnchanged()) return { path, file, next, intent, row: rotated.rowOf(path, 'rotated') };
  } catch (error) {
    await next.discard();
    // The end of the file opened, so another program has written to the file since; the next pass reads it again
    if (await file.isUnchanged()) throw error;
  }
  await next.discard();
  return 'changed';
}

/** Replaces the old files with the new ones. Returns those that were changed meanwhile. */
async function replace(work: FileWork, sealed: readonly Sealed[], rotated: RotatedFiles): Promise<string[]> {
  const { tree, originals, run, chunk } = work;
  if (sealed.length === 0 || originals === null) return [];
  publishStep('intend', run, chunk.chunk);
  await work.intend(sealed.map(({ intent }) => intent));
  publishStep('keep', run, chunk.chunk);
  const kept: Sealed[] = [];
  const changed: string[] = [];
  for (const each of sealed) {
    const isKept = await originals.keep(each.path, each.file, each.intent.old, 'link');
    if (isKept) kept.push(each);
    else changed.push(each.path);
  }
  syncFolders(kept.map(({ path }) => originals.placeOf(path)));
  publishStep('rename', run, chunk.chunk);
  for (const { path, file, next, intent, row } of kept) {
    if (await file.isUnchanged()) {
      // Another worker has taken over the chunk and removed the new file
      if (!(await next.replace(tree.at(path)))) throw new Stale();
      publishStep('renamed', run, chunk.chunk);
      rotated.addRow(row, intent.digest);
    } else changed.push(path);
  }
  syncFolders(kept.map(({ path }) => tree.at(path)));
  return changed;
}

function syncFolders(places: readonly string[]): void {
  for (const folder of new Set(places.map((place) => dirname(place)))) syncFolder(folder);
}
