import type { Database } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { tryCanary, wrongKey } from '../inventory/keys/canary.ts';
import type { Key } from '../keys/key.ts';
import { parseKey } from '../keys/key-text.ts';
import { Keyring } from '../keys/keyring.ts';
import type { Protection } from '../keys/machine-key.ts';
import { databaseOf, masterKeyOf, storeMasterKey } from '../keys/octopus-config.ts';
import { type Context, defineCommand } from './command.ts';
import { databaseOptions, groups, masterKeyOptions } from './options/options.ts';
import { jobNamed } from './steps/job-named.ts';
import { readMasterKey, warn } from './steps/key-sources.ts';
import { type FoundInstance, instanceOptions, openInstance } from './steps/octopus-instance.ts';
import { withDatabase } from './steps/opened.ts';
import { fitJob } from './steps/prepared-run.ts';

export const setMasterKey = defineCommand({
  words: ['set-master-key'],
  describe: 'store a master key in the configuration of Octopus Server; changes no data',
  epilogue: `For every other node after a rotation, and for a configuration whose key can no longer be read. Stop Octopus Server first. The file is copied beside itself (mode 0600), then replaced in one step.

Example:
  keyturn set-master-key --instance OctopusServer --masterKey - --check < new.key`,
  options: {
    ...instanceOptions,
    ...masterKeyOptions,
    check: {
      type: 'boolean',
      group: groups.keys,
      describe:
        "refuse a key that does not decrypt the server's certificate in the database (--database, or the one in the configuration)",
    },
    database: { ...databaseOptions.database, describe: `with --check: ${databaseOptions.database.describe}` },
  },
  async run(context, args) {
    const found = openInstance(context, args);
    const { config, protections, shape } = found;
    const text = await readMasterKey(
      context,
      args.masterKey ?? (context.terminal.interactive ? '-' : undefined),
    );
    if (text === undefined) {
      throw new KeyturnError('bad-option', 'no master key given, and there is no terminal to ask for it', {
        hint: 'use --masterKey - to read it from stdin',
      });
    }
    const key = parseKey(text, shape, '--masterKey');
    if (args.check === true) {
      const database = args.database ?? databaseOf(config);
      await withDatabase(context, { database }, (opened) => assertRight(context, opened.database, key));
    }
    const before = stored(found);
    if (before?.key.equals(key)) {
      return {
        exitCode: 0,
        document: { keyId: key.id, config: config.path, copy: null },
        text: `${config.path} already contains key ${key.id}\n`,
      };
    }
    const by = before?.by ?? protections[0];
    if (by === undefined) throw noProtection(config.path);
    const copy = storeMasterKey(config, key, shape, by);
    return {
      exitCode: 0,
      document: { keyId: key.id, config: config.path, copy },
      text: `key ${key.id} is stored in ${config.path}; the file before is ${copy}\nstart Octopus Server when every node has this key, then delete the copy: it contains the old key\n`,
    };
  },
});

/** The key in the file. Null: it cannot be read, which is why it may be set. */
function stored({ config, protections, shape }: FoundInstance): { key: Key; by: Protection } | null {
  try {
    return masterKeyOf(config, shape, protections);
  } catch (error) {
    if (error instanceof KeyturnError) return null;
    throw error;
  }
}

/** @throws KeyturnError `wrong-current-key` */
async function assertRight(context: Context, database: Database, key: Key): Promise<void> {
  const catalog = await database.catalog();
  const job = fitJob(jobNamed('octopus'), catalog, { attachments: false });
  const ring = new Keyring(key);
  const result = await tryCanary(database, catalog, job, ring);
  if (result === 'wrong') throw await wrongKey(database, catalog, job, ring);
  if (result === 'unknown')
    warn(context, `nothing in ${database.place} shows whether this is the right key: it has no certificate`);
}

function noProtection(path: string): KeyturnError {
  return new KeyturnError(
    'config-unreadable',
    `this machine has no key to encrypt the master key in ${path} with`,
    {
      hint: 'run this on the machine of the instance, or name its files with --machine-key or --machine-id',
    },
  );
}
