import type { Target } from './job.ts';
import type { FilesFile } from './schema.ts';

/** As no table is called: the files are a target beside the tables. */
export const filesTargetName = 'attachments/';

/** They come first: a table of keys is rotated after everything that its keys open. */
export function filesTarget({ format, folders, foreign, closed }: FilesFile): Target {
  const column = 'content';
  return {
    shape: { table: filesTargetName, id: ['path'], columns: [column], written: 1 },
    phase: 0,
    fields: [{ column, document: 'text', format, plaintext: 'any', foreign, closed, index: 0, when: [] }],
    tree: { folders },
  };
}
