import { KeyturnError } from '../../error.ts';
import type { Row, RowShape } from '../database.ts';
import type { MysqlTable } from './catalog.ts';
import { cutOff, isJson } from './statement.ts';

/**
 * Rows as they were read, if every value of them is whole.
 *
 * @throws KeyturnError `row-too-large`
 */
export function wholeRows(table: MysqlTable, shape: RowShape, rows: readonly Row[]): Row[] {
  const json = shape.columns.flatMap((column, place) => (isJson(table, column) ? [place] : []));
  for (const { id, values } of rows)
    for (const place of json) if (values[place] === cutOff) throw unreadable(shape, place, id);
  return [...rows];
}

function unreadable({ table, columns }: RowShape, place: number, id: Row['id']): KeyturnError {
  return new KeyturnError(
    'row-too-large',
    `${columns[place]} of row ${id.join(', ')} of ${table} cannot be read: its JSON exceeds max_allowed_packet`,
    {
      hint: 'set a larger max_allowed_packet on the server ("set global max_allowed_packet = …"), then keyturn resume',
      facts: { target: table },
    },
  );
}
