import type { Database, Table } from '../../databases/database.ts';
import { type DataKey, dataKeyTable, readDataKeys } from '../../inventory/keys/data-keys.ts';
import { openKeyring } from '../../inventory/keys/open-keyring.ts';
import type { Job } from '../../job/job.ts';
import type { Key } from '../../keys/key.ts';
import type { Context } from '../command.ts';
import { currentKeyOptions, databaseOptions, groups, jobOptions } from '../options/options.ts';
import { jobNamed } from './job-named.ts';
import { askCurrentKeys } from './key-sources.ts';
import { fitJob } from './prepared-run.ts';

/** Options of all commands for data keys. */
export const dataKeyOptions = {
  ...databaseOptions,
  job: { ...jobOptions.job, describe: `${jobOptions.job.describe} [default: n8n]` },
  'table-prefix': jobOptions['table-prefix'],
} as const;

/** Options of those that change data keys. */
export const changeOptions = {
  ...dataKeyOptions,
  'current-key-file': {
    ...currentKeyOptions['current-key-file'],
    array: false,
    describe:
      "file of n8n's instance key, with which data keys are encrypted [env: KEYTURN_CURRENT_MASTER_KEY; otherwise prompted for on a terminal]",
  },
  iHaveBackedUpMyDatabase: {
    type: 'boolean',
    group: groups.consent,
    describe: 'there is a backup that can be restored, and n8n is stopped',
  },
} as const;

interface Given {
  readonly job?: string | undefined;
  readonly tablePrefix?: string | undefined;
}

/** The data keys of a database. */
export interface FoundKeys {
  readonly job: Job;
  readonly catalog: readonly Table[];
  readonly table: string;
  readonly keys: readonly DataKey[];
}

export async function findDataKeys(database: Database, args: Given): Promise<FoundKeys> {
  const catalog = await database.catalog();
  const job = fitJob(jobNamed(args.job ?? 'n8n'), catalog, {
    tablePrefix: args.tablePrefix,
    attachments: false,
  });
  const table = dataKeyTable(job);
  return { job, catalog, table, keys: await readDataKeys(database, catalog, table) };
}

/** The instance key, if it is the right one and decrypts every data key. */
export async function askInstanceKey(
  context: Context,
  database: Database,
  { job, catalog }: FoundKeys,
  { currentKeyFile }: { readonly currentKeyFile?: string | undefined },
): Promise<Key> {
  const files = currentKeyFile === undefined ? undefined : [currentKeyFile];
  const { current: master } = await askCurrentKeys(context, { currentKeyFile: files }, job);
  await openKeyring(database, catalog, job, master);
  return master;
}
