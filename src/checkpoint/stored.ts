import { z } from 'zod';
import { altered } from './mac.ts';

/** A cell of one of keyturn's own tables, for messages. */
export interface Cell {
  readonly run: string;
  readonly table: 'keyturn_run' | 'keyturn_plan' | 'keyturn_chunk' | 'keyturn_exception' | 'keyturn_event';
  readonly column: string;
  /** For people, where a table has many rows of a run: `chunk 7 of users`. */
  readonly row?: string;
}

/**
 * Reads a JSON text that keyturn has stored.
 *
 * @throws KeyturnError `checkpoint-altered`, which names the cell and does not quote its content
 */
export function readStored<T>(schema: z.ZodType<T>, text: unknown, cell: Cell): T {
  const read = schema.safeParse(parsed(text));
  if (read.success) return read.data;
  throw altered(cell.run, `${nameOf(cell)} is not valid`);
}

/** Reads one of a few words, such as a state. @throws KeyturnError `checkpoint-altered` */
export function readWord<T extends string>(words: readonly T[], stored: unknown, cell: Cell): T {
  const word = words.find((each) => each === stored);
  if (word !== undefined) return word;
  const quoted = JSON.stringify(String(stored).slice(0, 40));
  throw altered(cell.run, `${nameOf(cell)} is ${quoted}, which is not valid`);
}

/** Undefined: the text is not JSON. */
function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

function nameOf({ table, column, row }: Cell): string {
  return `${row === undefined ? '' : `${row}: `}column ${column} of ${table}`;
}

/** A text per id column. */
export const storedRowId = z.array(z.string()).min(1).readonly();
