import type { Row } from '../../databases/database.ts';
import type { Field } from '../../job/job.ts';

type Columns = Pick<Field, 'index' | 'beside'>;

/**
 * What a field of a row contains. If the parts of its values are in several columns: a JSON array with the text of each
 * (formats/described/columns-shape.ts).
 */
export function storedIn({ index, beside = [] }: Columns, { values }: Pick<Row, 'values'>): string | null {
  const first = values[index] ?? null;
  if (beside.length === 0 || first === null || first === '') return first;
  return JSON.stringify([first, ...beside.map((at) => values[at] ?? null)]);
}

/** Puts the new content of a field into the new values of its row. */
export function storeIn({ index, beside = [] }: Columns, values: (string | null)[], stored: string): void {
  if (beside.length === 0) {
    values[index] = stored;
    return;
  }
  const [first = '', ...others] = JSON.parse(stored) as string[];
  if (others.length !== beside.length) throw new Error('a value with another number of columns');
  values[index] = first;
  beside.forEach((at, i) => {
    values[at] = others[i] as string;
  });
}
