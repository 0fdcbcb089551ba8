import { KeyturnError } from '../error.ts';

export function cannotWiden(table: string, column: string): KeyturnError {
  return new KeyturnError('column-too-narrow', `${table}.${column} has a type that keyturn cannot widen`, {
    hint: 'widen the column yourself, if the application supports that',
    facts: { target: table, column },
  });
}
