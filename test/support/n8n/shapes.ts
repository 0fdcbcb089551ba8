import { type DeploymentKey, type Keys, keysOf, openDeploymentKey, openValue } from './decrypt.ts';
import { luckyLookAlike, sealLegacy, sealUnder, wrap } from './encrypt.ts';
import { atOnce, type Place, type Store, withStore } from './store.ts';
import { deploymentKeyRows, storedAt, type Truth } from './truth.ts';

/**
 * The shapes that older versions of n8n and rarer lives leave behind, made from a fixture: each takes a database
 * and its truth, changes the database, and returns the truth that now holds.
 */

async function changing(
  place: Place,
  work: (store: Store, rows: readonly DeploymentKey[]) => Promise<Truth>,
): Promise<Truth> {
  return await withStore(place, (store) =>
    atOnce(store, async () => await work(store, await deploymentKeyRows(store))),
  );
}

async function setRow(
  store: Store,
  row: DeploymentKey,
  value: string,
  algorithm = row.algorithm,
): Promise<void> {
  await store.run(`update ${store.table('deployment_key')} set value = ?, algorithm = ? where id = ?`, [
    value,
    algorithm,
    row.id,
  ]);
}

const isDataKey = (row: DeploymentKey): boolean =>
  row.type === 'data_encryption' && row.algorithm === 'aes-256-gcm';
const isLegacyKey = (row: DeploymentKey): boolean =>
  row.type === 'data_encryption' && row.algorithm === 'aes-256-cbc';
const isSigning = (row: DeploymentKey): boolean => row.type.startsWith('signing.');

/** Versions up to 2.17: there is no table `deployment_key`. */
export async function upTo217(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    await sealAllLegacy(store, keysOf(rows, truth.instanceKey), truth);
    await store.run(`drop table ${store.table('deployment_key')}`);
    return { ...truth, legacyKey: truth.instanceKey, deploymentKeys: new Map() };
  });
}

/** Used by n8n's command line only: the table is there, and empty. */
export async function emptyDeploymentKey(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    await sealAllLegacy(store, keysOf(rows, truth.instanceKey), truth);
    await store.run(`delete from ${store.table('deployment_key')}`);
    return { ...truth, legacyKey: truth.instanceKey, deploymentKeys: new Map() };
  });
}

/** 2.18: data keys stand in clear, as 64 hex characters. */
export async function clearDataKeys(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    for (const row of rows.filter(isDataKey))
      await setRow(store, row, openDeploymentKey(row, truth.instanceKey));
    return truth;
  });
}

/** 2.19: data keys are CBC under the instance key. */
export async function cbcDataKeys(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    for (const row of rows.filter(isDataKey)) {
      await setRow(store, row, sealLegacy(openDeploymentKey(row, truth.instanceKey), truth.instanceKey));
    }
    return truth;
  });
}

/** The cbc row holds the instance key itself, unwrapped. */
export async function clearLegacyKey(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    for (const row of rows.filter(isLegacyKey))
      await setRow(store, row, openDeploymentKey(row, truth.instanceKey));
    return truth;
  });
}

/** Up to about 2.38: signing secrets stand in clear, without an algorithm. */
export async function clearSigning(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    const deploymentKeys = new Map(truth.deploymentKeys);
    for (const row of rows.filter(isSigning)) {
      const plain = openDeploymentKey(row, truth.instanceKey);
      await setRow(store, row, plain, null);
      deploymentKeys.delete(`${row.type}:${row.id}:${row.algorithm}:${row.status}`);
      deploymentKeys.set(`${row.type}:${row.id}:null:${row.status}`, plain);
    }
    return { ...truth, deploymentKeys };
  });
}

/** A wrapped private key whose algorithm is not that of the wrapping. */
export async function withJwe(place: Place, truth: Truth): Promise<Truth> {
  return await changing(place, async (store) => {
    const plain = JSON.stringify({ kty: 'RSA', d: 'jwe-private-exponent', alg: 'RSA-OAEP-256' });
    await store.run(
      `insert into ${store.table('deployment_key')} (id, type, value, algorithm, status) values (?, ?, ?, ?, ?)`,
      ['jweKey0000000001', 'jwe.private-key', wrap(plain, truth.instanceKey), 'RSA-OAEP-256', 'active'],
    );
    const name = 'jwe.private-key:jweKey0000000001:RSA-OAEP-256:active';
    return { ...truth, deploymentKeys: new Map([...truth.deploymentKeys, [name, plain]]) };
  });
}

/**
 * The legacy key differs from the instance key: legacy values stay under the old one, whose only copy is the cbc
 * row; every wrapped row is under `instanceKey`.
 */
export async function otherInstanceKey(place: Place, truth: Truth, instanceKey: string): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    for (const row of rows) {
      if (row.type !== 'instance.id')
        await setRow(store, row, wrap(openDeploymentKey(row, truth.instanceKey), instanceKey));
    }
    return { ...truth, instanceKey };
  });
}

/** Every value under an instance key of the caller's choice, as if it had always been that (non-latin1, short…). */
export async function underKey(place: Place, truth: Truth, instanceKey: string): Promise<Truth> {
  return await changing(place, async (store, rows) => {
    const keys = keysOf(rows, truth.instanceKey);
    await sealEach(store, truth, (sealed) =>
      sealed.includes(':') ? sealed : sealLegacy(openValue(sealed, keys), instanceKey),
    );
    for (const row of rows) {
      if (row.type === 'instance.id') continue;
      const plain = isLegacyKey(row) ? instanceKey : openDeploymentKey(row, truth.instanceKey);
      await setRow(store, row, wrap(plain, instanceKey));
    }
    const deploymentKeys = new Map(
      [...truth.deploymentKeys].map(([name, plain]) => [
        name,
        name.includes(':aes-256-cbc:') ? instanceKey : plain,
      ]),
    );
    return { ...truth, instanceKey, legacyKey: instanceKey, deploymentKeys };
  });
}

/** One more credential, sealed under `password` (default: what n8n would write with its feature off). */
export async function addCredential(
  place: Place,
  truth: Truth,
  credential: { id: string; data: unknown; password?: string },
): Promise<Truth> {
  const { id, data, password = truth.instanceKey } = credential;
  return await changing(place, async (store) => {
    await store.run(
      `insert into ${store.table('credentials_entity')} (id, name, data, type) values (?, ?, ?, ?)`,
      [id, `added ${id}`, sealLegacy(JSON.stringify(data), password), 'httpBasicAuth'],
    );
    return { ...truth, credentials: new Map([...truth.credentials, [id, data]]) };
  });
}

export interface Executions {
  /** How many waiting executions; default 5. */
  readonly count?: number;
  /** Also a look-alike that passes the padding check under the legacy key, and opens to garbage. */
  readonly lucky?: boolean;
}

const jsonEscaped = (sealed: string): string =>
  JSON.stringify(sealed).replaceAll('+', '\\u002B').replaceAll('/', '\\/');

/**
 * Waiting executions with n8n's ciphertext in string leaves at any depth, some spelled with JSON escapes, beside
 * what a rotation must not touch: users' own CryptoJS output, a ciphertext within a longer text, big integers,
 * a duplicate key, white space.
 */
export async function withExecutions(place: Place, truth: Truth, options: Executions = {}): Promise<Truth> {
  const { count = 5, lucky = false } = options;
  return await changing(place, async (store, rows) => {
    const keys = keysOf(rows, truth.instanceKey);
    const extras = new Map(truth.extras);
    const verbatim = new Map(truth.verbatim);
    await store.run(
      `insert into ${store.table('workflow_entity')} (id, name, active, nodes, connections, "versionId") values (?, ?, ?, ?, ?, ?)`,
      ['wf00000000000001', 'waits', true, '[]', '{}', '00000000-0000-4000-8000-000000000001'],
    );
    for (let number = 1; number <= count; number++) {
      const id = 1000 + number;
      const at = (path: string) => `execution_data.data:${id}#${path}`;
      const secret = (path: string): string => {
        const plain = JSON.stringify({ path, token: `execution-secret-${id}-ö🔑` });
        extras.set(at(path), plain);
        const [dataKey] = keys.dataKeys;
        return dataKey !== undefined && number % 2 === 0
          ? sealUnder(dataKey[0], plain, dataKey[1])
          : sealLegacy(plain, keys.legacyKey);
      };
      const kept = (path: string, text: string): string => {
        verbatim.set(at(path), text);
        return text;
      };
      const own = sealLegacy(`a user's own secret ${id}`, 'a password of the user');
      const data = `[ {"version":1,"startData":"1", "resultData":"2","duplicate":"x","duplicate":"${number}"},
  ${JSON.stringify(secret('[1]'))},
  {"nested":{"deep":[9007199254740993, 1.0e+2, {"token":${jsonEscaped(secret('[2].nested.deep[2].token'))}}]}},
  ${JSON.stringify(kept('[3]', own))}, {"own":${jsonEscaped(kept('[4].own', own))}},
  ${JSON.stringify(kept('[5]', `it says ${own} in the middle`))},
  ${JSON.stringify(kept('[6]', 'U2FsdGVkX1'))}, ${JSON.stringify(kept('[7]', 'U2FsdGVkX18='))},
  ${lucky ? JSON.stringify(kept('[8]', luckyLookAlike('the lucky one, sealed by a user', 'theirs', keys.legacyKey))) : 'null'},
  "\\u00e4 plain", null, -0, ${JSON.stringify(secret('[12]'))} ]
`;
      await store.run(
        `insert into ${store.table('execution_entity')} (id, "workflowId", finished, mode, status, "waitTill", "startedAt") values (?, ?, ?, ?, ?, ?, ?)`,
        [
          id,
          'wf00000000000001',
          false,
          'trigger',
          'waiting',
          new Date('2030-01-01T00:00:00Z'),
          new Date('2026-11-20T17:00:00Z'),
        ],
      );
      await store.run(
        `insert into ${store.table('execution_data')} ("executionId", "workflowData", data) values (?, ?, ?)`,
        [id, '{"id":"wf00000000000001","nodes":[]}', data],
      );
    }
    return { ...truth, extras, verbatim };
  });
}

async function sealAllLegacy(store: Store, keys: Keys, truth: Truth): Promise<void> {
  await sealEach(store, truth, (sealed) => sealLegacy(openValue(sealed, keys), truth.instanceKey));
}

/** Replaces every stored value that the truth names, outside `deployment_key`. */
async function sealEach(store: Store, truth: Truth, seal: (sealed: string) => string): Promise<void> {
  for (const id of truth.credentials.keys()) {
    const [row] = await store.rows(`select data from ${store.table('credentials_entity')} where id = ?`, [
      id,
    ]);
    await store.run(`update ${store.table('credentials_entity')} set data = ? where id = ?`, [
      seal(String(row?.data)),
      id,
    ]);
  }
  for (const [at, plain] of truth.extras) {
    const stored = await storedAt(store, at);
    if (typeof stored !== 'string') throw new Error(`${at}: ${stored.problem}`);
    const parts = typeof plain === 'string' ? [stored] : stored.split(',');
    const [, table = '', column = 'value'] = /^(\w+)(?:\.(\w+))?:/.exec(at) ?? [];
    // The stored text is unique, wherever it stands.
    await store.run(`update ${store.table(table)} set "${column}" = replace("${column}", ?, ?)`, [
      stored,
      parts.map(seal).join(','),
    ]);
  }
}
