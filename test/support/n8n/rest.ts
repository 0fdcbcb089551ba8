import { createHash } from 'node:crypto';
import { type Place, type Store, withStore } from './store.ts';

/** Ciphertext of n8n in any text, also where JSON spells some of its characters as escapes. */
const character = String.raw`(?:[A-Za-z0-9+/=]|\\u00[0-9a-fA-F]{2}|\\/)`;
const sealed = new RegExp(`U2FsdGVkX1${character}+|[A-Za-z0-9_-]{1,36}:A[Q-Za-f]${character}{64,}`, 'g');

/**
 * A digest of every table with its ciphertexts masked: equal before and after a rotation, or something was touched
 * that is no ciphertext. The values of `deployment_key` are left out: some versions hold them in clear.
 */
export async function digestOfTheRest(place: Place): Promise<Record<string, string>> {
  return await withStore(place, async (store) => {
    const digests: Record<string, string> = {};
    const prefix = place.prefix ?? '';
    for (const name of await store.tables()) {
      const bare = name.slice(prefix.length);
      const columns = await columnsOf(store, name);
      const list = columns
        .map((column) => (store.engine === 'postgres' ? `"${column}"::text as "${column}"` : `"${column}"`))
        .join(', ');
      const rows = await store.rows(`select ${list} from ${store.table(bare)}`);
      const texts = rows.map((row) =>
        JSON.stringify(
          columns.map((column) => {
            if (bare === 'deployment_key' && column === 'value') return '<sealed>';
            const value = row[column];
            return typeof value === 'string' ? value.replace(sealed, '<sealed>') : value;
          }),
        ),
      );
      digests[bare] = `${rows.length} ${createHash('sha256').update(texts.sort().join('\n')).digest('hex')}`;
    }
    return digests;
  });
}

async function columnsOf(store: Store, table: string): Promise<string[]> {
  const rows =
    store.engine === 'sqlite'
      ? await store.rows('select name from pragma_table_info(?) order by cid', [table])
      : await store.rows(
          'select column_name as name from information_schema.columns where table_schema = ? and table_name = ? order by ordinal_position',
          [store.place.schema ?? 'public', table],
        );
  return rows.map(({ name }) => String(name));
}
