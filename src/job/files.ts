import type { Target } from './job.ts';
import type { FilesFile } from './outside-schema.ts';

/** Cannot be the name of a table. */
export const filesTargetName = 'attachments/';

/** Files are rotated first: tables with keys come after everything that their keys open. */
export function filesTarget({ folders, names, optional: _, ...field }: FilesFile): Target {
  const column = 'content';
  return {
    shape: { table: filesTargetName, id: ['path'], columns: [column], written: 1 },
    phase: 0,
    fields: [{ ...field, column, index: 0, when: [] }],
    tree: { folders, names },
  };
}
