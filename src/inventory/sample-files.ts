import { fileField } from '../chunk/files/file-target.ts';
import type { PreparedTarget } from '../chunk/values/field-values.ts';
import type { Originals } from '../files/originals.ts';
import { StoredFile } from '../files/stored-file.ts';
import type { Tree } from '../files/tree.ts';
import type { Keyring } from '../keys/keyring.ts';

/** Counts how many of the first files seem to open. Reads only the ends of the files. */
export async function sampleFiles(
  tree: Tree,
  prepared: PreparedTarget,
  ring: Keyring,
  most: number,
): Promise<{ readonly opened: number; readonly failed: number }> {
  const { field, cipher } = fileField(prepared);
  const found = { opened: 0, failed: 0 };
  let left = most;
  for await (const path of tree.files()) {
    if (left-- <= 0) break;
    const file = await StoredFile.open(tree.at(path));
    if (file === null) continue;
    try {
      const { size } = file;
      if (size === 0) continue;
      if (!cipher.mayBe(size)) {
        if (field.foreign === 'exception') found.failed++;
      } else if (cipher.opensTail(await file.read(size - cipher.tailBytes, cipher.tailBytes), ring.primary))
        found.opened++;
      else if (field.closed === 'exception') found.failed++;
    } finally {
      await file.close();
    }
  }
  return found;
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
