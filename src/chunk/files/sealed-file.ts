import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Intent } from '../../checkpoint/file-intents.ts';
import { NewFile } from '../../files/new-file.ts';
import type { StoredFile } from '../../files/stored-file.ts';
import type { RotatedRow } from '../rotate-rows.ts';
import type { FileWork } from './file-work.ts';

/** A file and the file that will replace it, both open. */
export interface Sealed {
  readonly path: string;
  readonly file: StoredFile;
  readonly next: NewFile;
  readonly intent: Intent;
  /** What becomes of the file, for the checkpoint. */
  readonly row: RotatedRow;
}

/** Beside the file that it will replace. */
export function createNext({ run, chunk, tree }: FileWork, path: string): Promise<NewFile> {
  const name = `.keyturn-${run}-${chunk.chunk}-${randomBytes(8).toString('hex')}`;
  return NewFile.create(join(dirname(tree.at(path)), name));
}
