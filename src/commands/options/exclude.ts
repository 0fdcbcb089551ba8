import type { Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import type { LoadedJob } from '../../job/load.ts';
import { readPlace } from '../../job/place.ts';

/** The job with the columns of --exclude. Each must exist: a typing error must not pass for an exclusion. */
export function withExclusions(
  loaded: LoadedJob,
  catalog: readonly Table[],
  prefix: string,
  given: readonly string[] = [],
): LoadedJob {
  const exclude = given.map((text) => {
    const [, place = '', reason = ''] = /^((?:"(?:[^"\\]|\\.)*"|[^="])+)=(.*)$/s.exec(text) ?? [];
    const { table = '', column = '', path } = readPlace(place) ?? {};
    if (path !== '' || reason.trim() === '') {
      throw new KeyturnError(
        'bad-option',
        `--exclude must be table.column=reason, not ${JSON.stringify(text)}`,
        {
          hint: 'the reason is shown in the report',
        },
      );
    }
    const bare = prefix !== '' && table.startsWith(prefix) ? table.slice(prefix.length) : table;
    const found = catalog.find(({ name }) => name === prefix + bare);
    if (found?.columns.some(({ name }) => name === column))
      return { table: bare, column, reason: reason.trim() };
    throw new KeyturnError('bad-option', `--exclude: this database has no column ${table}.${column}`, {
      hint: 'spell the table and the column as the database does',
    });
  });
  return { ...loaded, file: { ...loaded.file, exclude: [...loaded.file.exclude, ...exclude] } };
}
