import { assertNoneUnfinished, readHistory } from '../checkpoint/history.ts';
import type { Database } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { dataAlgorithm, findDependents, isWrapped, total } from '../inventory/keys/data-keys.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { addDataKey, deactivateDataKeys, makeDataKey } from '../rotation/data-keys.ts';
import { type Context, defineCommand } from './command.ts';
import { authorityOptions, forceOptions, groups, reportOptions, workerOptions } from './options/options.ts';
import { authorityOf } from './options/run.ts';
import { assertAlone } from './steps/alone.ts';
import { askConsent, assertConsent, type Consent } from './steps/consent.ts';
import { askInstanceKey, changeOptions, type FoundKeys, findDataKeys } from './steps/data-keys.ts';
import { unchangedKey, warn } from './steps/key-sources.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';
import { reencrypt } from './steps/reencrypt.ts';

/** n8n's own warnings about the new format, before the first value has it. */
const warnings = [
  'every n8n process (main, workers, webhook processes) must have N8N_ENV_FEAT_ENCRYPTION_KEY_ROTATION=true and the same instance key before a value is encrypted with a data key',
  'a process without that setting may not be able to decrypt such values, and n8n must not be downgraded afterwards; try it on a copy first',
];

const afterDataKey = [
  'Start one main process and nothing else. Check that it starts, that a login with MFA works, and that a workflow with a credential runs. Then start the workers and webhook processes',
  'keyturn data-key list shows that no value depends on the older data keys; remove each with keyturn data-key retire when no backup that you may restore into this database needs it',
];
const afterLegacy = [
  'Switch the data key feature off in every n8n process before it starts: with it, n8n may make a new data key and encrypt new values with it',
  ...afterDataKey,
];

export const dataKeyRotate = defineCommand({
  words: ['data-key rotate'],
  describe: 'make a new data key for n8n; --reencrypt encrypts all values with it',
  epilogue: `Stop n8n first; it reads its data keys when it starts. Without --reencrypt, existing values keep their keys. With it, and with --to legacy, all values are encrypted again in a run that is verified and reported like any rotation, and that keyturn resume continues. The new key is stored in the database, encrypted with the instance key, as n8n's own rotation stores it.

Example:
  keyturn data-key rotate --reencrypt --database sqlite:database.sqlite \\
    --current-key-file instance.key`,
  options: {
    ...changeOptions,
    reencrypt: {
      type: 'boolean',
      group: groups.execution,
      describe:
        'encrypt all values with the new data key, those of older data keys and of the legacy key too',
    },
    to: {
      choices: ['legacy'],
      requiresArg: true,
      group: groups.execution,
      describe:
        'the way back: encrypt all values in the legacy format, with the instance key; no data key is active afterwards',
    },
    ...workerOptions,
    iHaveEnabledKeyRotationEverywhere: {
      type: 'boolean',
      group: groups.consent,
      describe:
        'every n8n process has the data key feature and the same instance key; needed while no value is encrypted with a data key',
    },
    ...forceOptions,
    ...authorityOptions,
    ...reportOptions,
  },
  async run(context, args) {
    const backup: Consent = {
      flag: '--iHaveBackedUpMyDatabase',
      given: args.iHaveBackedUpMyDatabase,
      question: 'Is there a backup of this database that can be restored, and is n8n stopped?',
    };
    if (args.reencrypt === true && args.to !== undefined) {
      throw new KeyturnError('bad-option', '--reencrypt and --to legacy exclude each other', {
        hint: 'omit one of the two',
      });
    }
    assertConsent(context, [backup]);
    return withDatabase(context, args, (opened) =>
      withRunLock(opened.database, async (lock) => {
        const { database } = opened;
        assertNoneUnfinished(await readHistory(database));
        const found = await findDataKeys(database, args);
        const master = await askInstanceKey(context, database, found, args);
        assertWrapped(found, master);
        await assertAlone(context, database, args.force);
        const isBack = args.to !== undefined;
        const confirm = async (): Promise<void> => {
          await askConsent(context, [backup]);
          if (!isBack && (await isFirst(database, found)))
            await confirmFeature(context, args.iHaveEnabledKeyRotationEverywhere);
        };
        const made = makeDataKey();
        if (isBack || args.reencrypt === true) {
          const reencryption = {
            found,
            key: unchangedKey(master, args.currentKeyFile),
            to: isBack ? null : made,
            afterwards: isBack ? afterLegacy : [...afterDataKey, ...warnings],
            authority: authorityOf(context, args),
            confirm,
            prepare: async (): Promise<void> => {
              if (isBack) await deactivateDataKeys(database, found.table, found.keys);
              else await addDataKey(database, found.table, found.keys, master, made);
            },
          };
          return reencrypt(context, opened, lock, reencryption, args);
        }
        await confirm();
        const added = await addDataKey(database, found.table, found.keys, master, made);
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

async function confirmFeature(context: Context, given: boolean | undefined): Promise<void> {
  for (const text of warnings) warn(context, text);
  const question = 'Does every n8n process have the data key feature and the same instance key?';
  await askConsent(context, [{ flag: '--iHaveEnabledKeyRotationEverywhere', given, question }]);
}

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
