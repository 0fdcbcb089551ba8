import { resolve } from 'node:path';
import { assertNoneUnfinished, readHistory } from '../checkpoint/history.ts';
import type { Database } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { type DataKey, findDependents, legacyAlgorithm, total } from '../inventory/keys/data-keys.ts';
import { writeSecretFile } from '../keys/key-file.ts';
import { count, thousands } from '../report/count.ts';
import { removeDataKey } from '../rotation/data-keys.ts';
import { type Context, defineCommand } from './command.ts';
import { forceOptions, groups } from './options/options.ts';
import { assertAlone } from './steps/alone.ts';
import { askConsent, assertConsent, type Consent } from './steps/consent.ts';
import { askInstanceKey, changeOptions, type FoundKeys, findDataKeys } from './steps/data-keys.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';

export const dataKeyRetire = defineCommand({
  words: ['data-key retire'],
  positional: 'id',
  describe: 'remove a data key of n8n that no value depends on',
  epilogue: `Refused while the key is active, or while a text anywhere in the database names it. Its encrypted form is saved to a file first. Backups may still need the key.

Example:
  keyturn data-key retire x6ijBTbxjwI1jaEM --database sqlite:database.sqlite \\
    --current-key-file instance.key --out x6ijBTbxjwI1jaEM.json`,
  options: {
    ...changeOptions,
    out: {
      type: 'string',
      requiresArg: true,
      group: groups.keys,
      describe:
        'file for the encrypted form of the key (mode 0600, never overwritten) [default: ./data-key-<id>.json]',
    },
    ...forceOptions,
  },
  async run(context, args) {
    const id = idOf((args as { id?: readonly unknown[] }).id);
    const backup = (question: string): Consent => ({
      flag: '--iHaveBackedUpMyDatabase',
      given: args.iHaveBackedUpMyDatabase,
      question,
    });
    assertConsent(context, [backup('')]);
    return withDatabase(context, args, ({ database }) =>
      withRunLock(database, async () => {
        assertNoneUnfinished(await readHistory(database));
        const found = await findDataKeys(database, args);
        const key = namedKey(found, id);
        const master = await askInstanceKey(context, database, found, args);
        await assertAlone(context, database, args.force);
        await assertUnused(database, found, key);
        await askConsent(context, [
          backup(
            `Remove data key ${id}? No value depends on it now. Is there a backup that can be restored, and is n8n stopped?`,
          ),
        ]);
        const file = save(context, args.out, key, master.id);
        await assertUnused(database, found, key);
        await removeDataKey(database, found.table, key);
        return {
          exitCode: 0,
          document: { retired: id, file },
          text: `data key ${id} is removed; its encrypted form is in ${file}\n`,
        };
      }),
    );
  },
});

function idOf(given: readonly unknown[] = []): string {
  const [id] = given;
  if (given.length === 1 && id !== undefined) return String(id);
  throw new KeyturnError('bad-option', 'keyturn data-key retire needs the id of one data key', {
    hint: 'keyturn data-key list shows the ids',
  });
}

function namedKey({ keys }: FoundKeys, id: string): DataKey {
  const key = keys.find((each) => each.id === id);
  if (key === undefined) {
    throw new KeyturnError('data-key-unknown', 'this database has no data key with that id', {
      hint: 'keyturn data-key list shows the ids',
    });
  }
  if (key.algorithm === legacyAlgorithm) {
    throw new KeyturnError('data-key-in-use', `data key ${id} is the legacy key`, {
      hint: 'keep it: n8n decrypts values without a key id with it, and needs exactly one',
      facts: { dataKey: id },
    });
  }
  if (key.status !== 'active') return key;
  throw new KeyturnError('data-key-in-use', `data key ${id} is active: n8n encrypts new values with it`, {
    hint: 'make a new one with keyturn data-key rotate',
    facts: { dataKey: id },
  });
}

async function assertUnused(database: Database, { catalog }: FoundKeys, key: DataKey): Promise<void> {
  const dependents = (await findDependents(database, catalog, [key])).get(key.id);
  const values = total(dependents);
  if (values === 0) return;
  const places = [...(dependents ?? [])].map(([place, number]) => `${place} (${thousands(number)})`);
  throw new KeyturnError(
    'data-key-in-use',
    `${count(values, 'value')} would be lost with data key ${key.id}: ${places.join(', ')}`,
    {
      hint: 'keep the key as long as a value names it',
      facts: { dataKey: key.id, values },
    },
  );
}

/** The row, whose value only the instance key decrypts. Whoever inserts it again has the key back. */
function save({ folder }: Context, out: string | undefined, key: DataKey, encryptedWith: string): string {
  const path = resolve(folder, out ?? `data-key-${key.id}.json`);
  const row = { type: 'data_encryption', ...key, encryptedWith };
  writeSecretFile(path, `${JSON.stringify(row, null, 2)}\n`, 'the encrypted data key', '--out');
  return path;
}
