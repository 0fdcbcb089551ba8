import { assertNoneUnfinished, readHistory } from '../checkpoint/history.ts';
import type { Database } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { dataAlgorithm, findDependents, isWrapped, total } from '../inventory/data-keys.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { addDataKey } from '../rotation/data-keys.ts';
import { defineCommand } from './command.ts';
import { forceOptions, groups } from './options/options.ts';
import { assertAlone } from './steps/alone.ts';
import { askConsent, assertConsent, type Consent } from './steps/consent.ts';
import { askInstanceKey, changeOptions, type FoundKeys, findDataKeys } from './steps/data-keys.ts';
import { warn } from './steps/key-sources.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';

/** n8n's own warnings about the new format, before the first value has it. */
const warnings = [
  'every n8n process (main, workers, webhook processes) must have N8N_ENV_FEAT_ENCRYPTION_KEY_ROTATION=true and the same instance key before a value is encrypted with a data key',
  'a process without that setting may not be able to decrypt such values, and n8n must not be downgraded afterwards; try it on a copy first',
];

export const dataKeyRotate = defineCommand({
  words: ['data-key rotate'],
  describe: 'make a new data key for n8n, which encrypts new values from then on',
  epilogue: `Stop n8n first; it reads the new key when it starts. Existing values keep their keys. The new key is stored in the database, encrypted with the instance key, as n8n's own rotation stores it.

Example:
  keyturn data-key rotate --database sqlite:database.sqlite \\
    --current-key-file instance.key`,
  options: {
    ...changeOptions,
    iHaveEnabledKeyRotationEverywhere: {
      type: 'boolean',
      group: groups.consent,
      describe:
        'every n8n process has the data key feature and the same instance key; needed while no value is encrypted with a data key',
    },
    ...forceOptions,
  },
  async run(context, args) {
    const backup: Consent = {
      flag: '--iHaveBackedUpMyDatabase',
      given: args.iHaveBackedUpMyDatabase,
      question: 'Is there a backup of this database that can be restored, and is n8n stopped?',
    };
    assertConsent(context, [backup]);
    return withDatabase(context, args, ({ database }) =>
      withRunLock(database, async () => {
        assertNoneUnfinished(await readHistory(database));
        const found = await findDataKeys(database, args);
        const master = await askInstanceKey(context, database, found, args);
        assertWrapped(found, master);
        await assertAlone(context, database, args.force);
        await askConsent(context, [backup]);
        if (await isFirst(database, found)) {
          for (const text of warnings) warn(context, text);
          const question = 'Does every n8n process have the data key feature and the same instance key?';
          const flag = '--iHaveEnabledKeyRotationEverywhere';
          await askConsent(context, [{ flag, given: args.iHaveEnabledKeyRotationEverywhere, question }]);
        }
        const added = await addDataKey(database, found.table, found.keys, master);
        const legacy = added.legacy === null ? '' : `the legacy key is kept as data key ${added.legacy}\n`;
        return {
          exitCode: 0,
          document: { active: added.active, legacy: added.legacy },
          text: `data key ${added.active} is active: n8n encrypts new values with it after its next start\n${legacy}`,
        };
      }),
    );
  },
});

/** No value is encrypted with a data key yet. */
async function isFirst(database: Database, { catalog, keys }: FoundKeys): Promise<boolean> {
  const data = keys.filter(({ algorithm }) => algorithm === dataAlgorithm);
  const dependents = await findDependents(database, catalog, data);
  return data.every(({ id }) => total(dependents.get(id)) === 0);
}

/** n8n 2.18 reads data keys in clear only; a later version reads only encrypted ones. */
function assertWrapped({ keys }: FoundKeys, master: Key): void {
  const ring = new Keyring(master);
  const clear = keys.find((key) => !isWrapped(key, ring));
  if (clear === undefined) return;
  throw new KeyturnError('source-key', `data key ${clear.id} is not encrypted with the instance key`, {
    hint: 'n8n 2.18 stores data keys unencrypted: start a newer version of n8n once, then run the command again',
    facts: { dataKey: clear.id },
  });
}
