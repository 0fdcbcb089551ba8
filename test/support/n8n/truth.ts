import { isDeepStrictEqual } from 'node:util';
import {
  type DeploymentKey,
  type Keys,
  keysOf,
  openDeploymentKey,
  openLegacy,
  openValue,
} from './decrypt.ts';
import { type FixtureName, fixtureFile } from './fixture.ts';
import { type Found, type Place, type Store, withStore } from './store.ts';

/** What an n8n database must hold, whatever key it is under. */
export interface Truth {
  /** The instance key that the database was made with. */
  readonly instanceKey: string;
  /** The key in the cbc row then; differs from the instance key in some shapes. */
  readonly legacyKey: string;
  readonly credentials: ReadonlyMap<string, unknown>;
  /** Everything else by place: `settings:KEY`, `settings:KEY#field`, `table.column:id`, `table.column:id#path`. */
  readonly extras: ReadonlyMap<string, string | readonly string[]>;
  /** `deployment_key` rows, opened, by `type:id:algorithm:status`. */
  readonly deploymentKeys: ReadonlyMap<string, string>;
  /** Strings that are nobody's business and must stand as they are, by `table.column:id#path`. */
  readonly verbatim: ReadonlyMap<string, string>;
}

export function truthOf(name: FixtureName): Truth {
  const read = (file: string) => fixtureFile(name, file).toString('utf8');
  const instanceKey = read('encryption.key');
  const exported: { id: string; data: unknown }[] = JSON.parse(read('export.decrypted.json'));
  const extras = new Map<string, string | readonly string[]>();
  const deploymentKeys = new Map<string, string>();
  for (const [at, plain] of Object.entries<string | string[]>(JSON.parse(read('extra.plain.json')))) {
    if (at.startsWith('deployment_key:'))
      deploymentKeys.set(at.slice('deployment_key:'.length), String(plain));
    else extras.set(at, plain);
  }
  return {
    instanceKey,
    legacyKey: instanceKey,
    credentials: new Map(exported.map(({ id, data }) => [id, data])),
    extras,
    deploymentKeys,
    verbatim: new Map(),
  };
}

/** How a row of each table is named in `extras`. */
const idColumns: Readonly<Record<string, string>> = {
  user: 'id',
  secrets_provider_connection: 'providerKey',
  dynamic_credential_resolver: 'id',
  dynamic_credential_entry: 'subject_id',
  dynamic_credential_user_entry: 'userId',
  promotion_provider: 'id',
  execution_data: 'executionId',
};

export async function deploymentKeyRows(store: Store): Promise<DeploymentKey[]> {
  if (!(await store.has('deployment_key'))) return [];
  const rows = await store.rows(
    `select id, type, value, algorithm, status from ${store.table('deployment_key')}`,
  );
  return rows.map((row) => ({
    id: String(row.id),
    type: String(row.type),
    value: String(row.value),
    algorithm: row.algorithm === null ? null : String(row.algorithm),
    status: String(row.status),
  }));
}

/**
 * Reads every secret of the database with `instanceKey` alone and compares it with the truth.
 * Returns one line per difference (never a plaintext); none means that every secret is there.
 * The cbc row must hold `instanceKey`; only under the key that the database was made with, what it held then.
 */
export async function expectEverySecret(
  place: Place,
  instanceKey: string,
  expected: Truth | FixtureName,
): Promise<string[]> {
  const truth = typeof expected === 'string' ? truthOf(expected) : expected;
  return await withStore(place, async (store) => {
    const rows = await deploymentKeyRows(store);
    let keys: Keys;
    try {
      keys = keysOf(rows, instanceKey);
    } catch (error) {
      return [`deployment_key: ${reason(error)}`];
    }
    return [
      ...deploymentKeyDifferences(rows, instanceKey, truth),
      ...(await credentialDifferences(store, keys, truth)),
      ...(await extraDifferences(store, keys, truth)),
      ...(await verbatimDifferences(store, truth)),
    ];
  });
}

function reason(error: unknown): string {
  // Not `instanceof`: under jest, Node's own errors are of another realm.
  return String((error as { message?: unknown }).message);
}

function deploymentKeyDifferences(
  rows: readonly DeploymentKey[],
  instanceKey: string,
  truth: Truth,
): string[] {
  const differences: string[] = [];
  const found = new Set<string>();
  for (const row of rows) {
    const name = `${row.type}:${row.id}:${row.algorithm}:${row.status}`;
    found.add(name);
    const isLegacyKey = row.type === 'data_encryption' && row.algorithm === 'aes-256-cbc';
    const made = truth.deploymentKeys.get(name);
    const expected = isLegacyKey ? (instanceKey === truth.instanceKey ? truth.legacyKey : instanceKey) : made;
    if (made === undefined) differences.push(`deployment_key ${name}: unexpected`);
    try {
      if (openDeploymentKey(row, instanceKey) !== expected)
        differences.push(`deployment_key ${name}: differs`);
    } catch (error) {
      differences.push(`deployment_key ${name}: does not open: ${reason(error)}`);
    }
  }
  for (const name of truth.deploymentKeys.keys()) {
    if (!found.has(name)) differences.push(`deployment_key ${name}: missing`);
  }
  return differences;
}

async function credentialDifferences(store: Store, keys: Keys, truth: Truth): Promise<string[]> {
  const differences: string[] = [];
  const missing = new Set(truth.credentials.keys());
  for (const row of await store.rows(`select id, data from ${store.table('credentials_entity')}`)) {
    const id = String(row.id);
    if (!truth.credentials.has(id)) differences.push(`credentials_entity ${id}: unexpected`);
    missing.delete(id);
    try {
      const plain = openValue(String(row.data), keys);
      // n8n writes JSON.stringify's text, so equality is to the byte.
      if (plain !== JSON.stringify(truth.credentials.get(id)))
        differences.push(`credentials_entity ${id}: differs`);
    } catch (error) {
      differences.push(`credentials_entity ${id}: does not open: ${reason(error)}`);
    }
  }
  for (const id of missing) differences.push(`credentials_entity ${id}: missing`);
  return differences;
}

async function extraDifferences(store: Store, keys: Keys, truth: Truth): Promise<string[]> {
  const differences: string[] = [];
  for (const [at, expected] of truth.extras) {
    const stored = await storedAt(store, at);
    if (typeof stored !== 'string') {
      differences.push(`${at}: ${stored.problem}`);
      continue;
    }
    try {
      const plain = Array.isArray(expected)
        ? stored.split(',').map((part) => openValue(part, keys))
        : openValue(stored, keys);
      if (!isDeepStrictEqual(plain, expected)) differences.push(`${at}: differs`);
    } catch (error) {
      differences.push(`${at}: does not open: ${reason(error)}`);
    }
  }
  return differences;
}

async function verbatimDifferences(store: Store, truth: Truth): Promise<string[]> {
  const differences: string[] = [];
  for (const [at, expected] of truth.verbatim) {
    const stored = await storedAt(store, at);
    if (stored !== expected)
      differences.push(`${at}: ${typeof stored === 'string' ? 'was changed' : stored.problem}`);
  }
  return differences;
}

/** The stored (sealed) string at a place of `Truth.extras` or `Truth.verbatim`. */
export async function storedAt(store: Store, at: string): Promise<string | { problem: string }> {
  const parts = /^(\w+)(?:\.(\w+))?:([^#]*)(?:#(.*))?$/s.exec(at);
  if (parts === null) throw new Error(`not a place: ${at}`);
  const [, table = '', column = 'value', id = '', path] = parts;
  const idColumn = table === 'settings' ? 'key' : idColumns[table];
  if (idColumn === undefined) throw new Error(`no id column is known for ${table}`);
  if (!(await store.has(table))) return { problem: 'the table is missing' };
  const rows = await store.rows(
    `select "${column}" as sealed from ${store.table(table)} where cast("${idColumn}" as varchar(2048)) = ?`,
    [id],
  );
  if (rows.length !== 1) return { problem: `${rows.length} rows` };
  const value = rows[0]?.sealed;
  if (typeof value !== 'string') return { problem: 'no text' };
  if (path === undefined) return value;
  try {
    const leaf = leafAt(JSON.parse(value), path);
    return typeof leaf === 'string' ? leaf : { problem: 'no string at the path' };
  } catch (error) {
    return { problem: reason(error) };
  }
}

/** `field`, `[3]`, `[3].a.b`. */
function leafAt(document: unknown, path: string): unknown {
  let at = document;
  for (const [name] of path.matchAll(/[^.[\]]+/g)) at = (at as Found | undefined)?.[name];
  return at;
}

/**
 * Places (of those that the truth names) that open to the truth with `oldKey` itself: what still depends on it.
 * Values under data keys do so only through their wrapped row.
 */
export async function stillUnder(place: Place, oldKey: string, truth: Truth): Promise<string[]> {
  const opens = (work: () => string, expected: string | undefined): boolean => {
    try {
      return work() === expected;
    } catch {
      return false;
    }
  };
  return await withStore(place, async (store) => {
    const found: string[] = [];
    for (const row of await deploymentKeyRows(store)) {
      const name = `${row.type}:${row.id}:${row.algorithm}:${row.status}`;
      const plain = truth.deploymentKeys.get(name);
      if (row.type !== 'instance.id' && opens(() => openDeploymentKey(row, oldKey), plain)) {
        found.push(`deployment_key ${name}`);
      }
    }
    const legacy = (sealed: string) => () => openLegacy(sealed, oldKey).toString('utf8');
    for (const row of await store.rows(`select id, data from ${store.table('credentials_entity')}`)) {
      const plain = JSON.stringify(truth.credentials.get(String(row.id)));
      if (opens(legacy(String(row.data)), plain)) found.push(`credentials_entity ${row.id}`);
    }
    for (const [at, plain] of truth.extras) {
      const stored = await storedAt(store, at);
      if (typeof stored !== 'string') continue;
      const sealed = typeof plain === 'string' ? [stored] : stored.split(',');
      const plains = typeof plain === 'string' ? [plain] : plain;
      if (sealed.some((part, index) => opens(legacy(part), plains[index]))) found.push(at);
    }
    return found;
  });
}
