import { fileField } from '../chunk/files/file-target.ts';
import type { PreparedTarget } from '../chunk/values/field-values.ts';
import type { Originals } from '../files/originals.ts';
import { StoredFile } from '../files/stored-file.ts';
import type { Tree } from '../files/tree.ts';
import type { Keyring } from '../keys/keyring.ts';

/** Of files from the beginning, the middle and the end: how many seem to open. Reads only the ends of the files. */
export async function sampleFiles(
  tree: Tree,
  prepared: PreparedTarget,
  ring: Keyring,
  most: number,
): Promise<{ readonly opened: number; readonly closed: number; readonly unparsed: number }> {
  const { field, cipher } = fileField(prepared);
  const found = { opened: 0, closed: 0, unparsed: 0 };
  for (const path of await samplePaths(tree, most)) {
    const file = await StoredFile.open(tree.at(path));
    if (file === null) continue;
    try {
      const { size } = file;
      if (size === 0) continue;
      if (!cipher.mayBe(size)) {
        if (field.foreign === 'exception') found.unparsed++;
      } else if (cipher.opensTail(await file.read(size - cipher.tailBytes, cipher.tailBytes), ring.primary))
        found.opened++;
      else if (field.closed === 'exception') found.closed++;
    } finally {
      await file.close();
    }
  }
  return found;
}

async function samplePaths(tree: Tree, most: number): Promise<string[]> {
  const paths: string[] = [];
  let files = 0;
  for await (const _ of tree.files()) files++;
  const starts = [0, Math.floor((files - most) / 2), files - most];
  let at = 0;
  for await (const path of tree.files()) {
    if (starts.some((start) => at >= start && at < start + most)) paths.push(path);
    at++;
  }
  return paths;
}

/** Warnings for the operator. Throws `attachments-backup` if the folder contains the originals of another run. */
export async function filesWarnings(tree: Tree, originals: Originals): Promise<string[]> {
  await originals.assertFree();
  await originals.assertWritable();
  const { bytes, passedOver } = await tree.count();
  return [
    ...(await originals.warnings(bytes)),
    ...(passedOver === 0
      ? []
      : [`symbolic links and special files in ${tree.folder} are skipped: ${passedOver}`]),
  ];
}
