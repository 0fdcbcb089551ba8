import type { Chunk } from '../../checkpoint/chunk.ts';
import type { ExceptionReason } from '../../checkpoint/exception-table.ts';
import type { Intent } from '../../checkpoint/file-intents.ts';
import { emptyTally } from '../../checkpoint/tally.ts';
import type { Originals } from '../../files/originals.ts';
import type { Tree } from '../../files/tree.ts';
import { targetName } from '../../job/job.ts';
import type { RotatedRow } from '../rotate-rows.ts';
import type { Rotation } from '../values/classify.ts';
import type { PreparedTarget } from '../values/field-values.ts';
import type { ValueOutcome } from '../values/value.ts';
import { fileColumn } from './file-target.ts';

/** What is needed to rotate the files of a chunk. */
export interface FileWork {
  readonly prepared: PreparedTarget;
  readonly chunk: Pick<Chunk, 'chunk' | 'range' | 'rowIds'>;
  readonly run: string;
  readonly rotation: Rotation;
  readonly digestKey: Buffer;
  readonly tree: Tree;
  /** Null: nothing is written. */
  readonly originals: Originals | null;
  /** Intents of a worker that died while it processed this chunk. */
  readonly known: ReadonlyMap<string, readonly Intent[]>;
  /**
   * Commits the intents of files that will be renamed. Throws, even without intents, if the chunk is no longer this
   * worker's.
   */
  readonly intend: (intents: readonly Intent[]) => Promise<void>;
}

/** The outcome of `rotateFiles` per file, like RotatedRows for rows. */
export class RotatedFiles {
  readonly rows: RotatedRow[] = [];
  readonly #digests: Buffer[] = [];
  readonly #target: string;

  constructor({ target }: PreparedTarget) {
    this.#target = targetName(target);
  }

  /** A file that counts as one value. */
  add(
    path: string,
    outcome: Exclude<ValueOutcome, 'nothing'>,
    digest: Buffer,
    reason: ExceptionReason | null = null,
  ): void {
    this.addRow(this.rowOf(path, outcome, reason), digest);
  }

  addRow(row: RotatedRow, digest: Buffer): void {
    this.rows.push(row);
    this.#digests.push(digest);
  }

  rowOf(
    path: string,
    outcome: Exclude<ValueOutcome, 'nothing'>,
    reason: ExceptionReason | null = null,
  ): RotatedRow {
    const exception = { target: this.#target, rowId: [path], field: fileColumn, path: '' };
    return {
      change: null,
      tally: { ...emptyTally(), rows: 1, values: 1, [outcome]: 1 },
      exceptions: reason === null ? [] : [{ ...exception, reason }],
    };
  }

  digests(): Buffer {
    return Buffer.concat(this.#digests);
  }
}
