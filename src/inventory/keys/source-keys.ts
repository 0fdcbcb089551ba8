import type { Row, Rows, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Job } from '../../job/job.ts';
import type { SourceKeyFile } from '../../job/schema.ts';
import { Key } from '../../keys/key.ts';
import { Keyring } from '../../keys/keyring.ts';
import { rowsWhere } from '../rows-where.ts';

/** The keyring that the database contains under the master key: the keys that the application would read with now. */
export async function findKeyring(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  master: Key,
  others: readonly Keyring[] = [],
): Promise<Keyring> {
  const bare = new Keyring(master);
  const named: [string, Key][] = [];
  for await (const { source, name, text, row } of storedKeys(database, catalog, job))
    named.push([name, unwrap(source, text, bare, row)]);
  return new Keyring(
    master,
    named,
    others.map(({ primary }) => primary),
  );
}

/** The source keys that the database contains under any of these master keys, by name. Others are left out. */
export async function findSourceKeys(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  masters: readonly Key[],
): Promise<Map<string, Key>> {
  const found = new Map<string, Key>();
  for await (const { source, name, text, row } of storedKeys(database, catalog, job))
    for (const master of masters) {
      try {
        found.set(name, unwrap(source, text, new Keyring(master), row));
        break;
      } catch (error) {
        if (!(error instanceof KeyturnError)) throw error;
      }
    }
  return found;
}

interface StoredKey {
  readonly source: SourceKeyFile;
  readonly name: string;
  readonly text: string;
  readonly row: Row;
}

async function* storedKeys(database: Rows, catalog: readonly Table[], job: Job): AsyncGenerator<StoredKey> {
  for (const source of job.sourceKeys) {
    const { table, column, where } = source;
    const also = [...source.name.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    const rows = rowsWhere(database, catalog, { table, column, where, also });
    for await (const { row, columns } of rows) {
      const text = row.values[0] ?? null;
      if (text !== null && text !== '') yield { source, name: nameOf(source, row, columns), text, row };
    }
  }
}

/** The keyring after the run: the new master key, and the source keys that the run does not replace. */
export function keyringAfter(job: Job, from: Keyring, newKey: Key): Keyring {
  if (job.only !== undefined) return from.narrowed(job.only).after();
  const replaced = new Set(replacedNames(job));
  const kept = from.names
    .filter((name) => !replaced.has(name))
    .map((name) => [name, from.named(name)] as const);
  return new Keyring(
    newKey,
    kept.filter((entry): entry is readonly [string, Key] => entry[1] !== undefined),
  ).after();
}

/** The source keys in whose place a rotation stores the master key. */
export function replacedNames({ sourceKeys }: Job): string[] {
  return sourceKeys.filter(({ becomes }) => becomes === 'primary').map(({ name }) => name);
}

function nameOf(source: SourceKeyFile, row: Row, columns: readonly string[]): string {
  return source.name.replace(/\{(\w+)\}/g, (_, column: string) => row.values[columns.indexOf(column)] ?? '');
}

function unwrap(source: SourceKeyFile, text: string, bare: Keyring, row: Row): Key {
  const [opening] = formatOf(source.format).open([text], bare);
  const at = `${source.table}.${source.column}, row ${row.id.join(', ')}`;
  if (opening === 'foreign' || opening === undefined) {
    if (source.clear === 'any') return parse(source, text, at);
    if (source.clear === 'primary' && text === bare.primary.text) return bare.primary;
  }
  if (opening === undefined || typeof opening === 'string') {
    throw new KeyturnError('source-key', `cannot decrypt the key in ${at} with the current key`, {
      hint: 'values may need this key, so restore it before the rotation',
      facts: { table: source.table, row: row.id.join(',') },
    });
  }
  return parse(source, opening.plain.toString('utf8'), at);
}

function parse(source: SourceKeyFile, text: string, at: string): Key {
  if (source.form === 'text') return Key.fromText(text);
  const bytes = Buffer.from(text, source.form);
  if (bytes.length > 0 && bytes.toString(source.form).toLowerCase() === text.toLowerCase())
    return Key.fromBytes(bytes);
  throw new KeyturnError('source-key', `the key in ${at} is not valid ${source.form}`, {
    hint: 'check sourceKeys.form in the job file',
  });
}
