import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';

/** Options that several commands take, in the groups that their help shows. */

const text = (group: string, describe: string) =>
  ({ type: 'string', requiresArg: true, group, describe }) as const;
const flag = (group: string, describe: string) => ({ type: 'boolean', group, describe }) as const;

const where = 'What to rotate:';
const keys = 'Keys (never needed on the command line):';
const consent = 'Consent (asked for on a terminal):';
const how = 'How to run it:';
const report = 'For the report:';

export const databaseOptions = {
  database: text(
    where,
    'sqlite:path, postgres://user@host:5432/db?schema=x, mysql://user@host:3306/db, mssql://user@host:1433/db or Server=…;Database=…; also KEYTURN_DATABASE',
  ),
} as const satisfies Record<string, Options>;

export const jobOptions = {
  job: text(where, 'a built-in job by name, or a YAML file of your own'),
  'table-prefix': text(where, 'what this installation puts before every table name'),
  exclude: {
    type: 'string',
    array: true,
    requiresArg: true,
    group: where,
    describe: 'table.column=reason: ciphertext that is knowingly left alone; repeatable',
  },
} as const satisfies Record<string, Options>;

export const decideOptions = {
  decide: {
    type: 'string',
    array: true,
    requiresArg: true,
    group: where,
    describe: 'table.column.path=rotate or =leave: settles a place where values are undecided; repeatable',
  },
} as const satisfies Record<string, Options>;

export const currentKeyOptions = {
  'current-key-file': text(keys, 'the key in use now; else KEYTURN_CURRENT_MASTER_KEY, else a prompt'),
} as const satisfies Record<string, Options>;

export const newKeyOptions = {
  'new-key-file': text(
    keys,
    'the new key: made and written there (0600) before the first change; one that exists is taken',
  ),
} as const satisfies Record<string, Options>;

export const masterKeyOptions = {
  masterKey: text(keys, 'the new key itself; - reads it from stdin'),
} as const satisfies Record<string, Options>;

export const consentOptions = {
  iReallyWantToRotateMyMasterKey: flag(consent, 're-encrypt the database under the new key'),
  iHaveBackedUpMyDatabase: flag(consent, 'a backup exists that can be restored'),
} as const satisfies Record<string, Options>;

export const upgradeOptions = {
  upgradeDatabase: flag(
    consent,
    "change tables: widen columns too narrow for the new ciphertext, bring keyturn's own of an older version up to date",
  ),
} as const satisfies Record<string, Options>;

export const forceOptions = {
  force: flag(consent, 'go on although other programs are connected to the database, or may be'),
} as const satisfies Record<string, Options>;

export const workerOptions = {
  workers: text(how, 'worker threads here [default: number of cores; with --queue none]'),
} as const satisfies Record<string, Options>;

export const paceOptions = {
  ...workerOptions,
  'chunk-rows': text(how, 'rows per chunk [default: 200 to 2,000, sized by time]'),
  'on-exception': {
    choices: ['stop', 'skip'],
    requiresArg: true,
    group: how,
    describe: 'what a value does that cannot be opened [default: stop]',
  },
  'chunk-timeout': text(
    how,
    'split a chunk whose statement takes longer; 0: no limit [default: 60s; SQLite has none, MySQL for reading only]',
  ),
  'max-exceptions': text(how, 'with skip: stop at more exceptions than this [default: 100]'),
} as const satisfies Record<string, Options>;

export const dryRunOptions = {
  'dry-run': flag(how, 'everything, cryptography too, but no write to the database'),
} as const satisfies Record<string, Options>;

export const signatureOptions = {
  operator: text(report, 'who does it [default: the login name]'),
  reason: text(report, 'why'),
} as const satisfies Record<string, Options>;

export const authorityOptions = {
  ...signatureOptions,
  approver: text(report, 'who allowed it'),
  ticket: text(report, 'where it was ordered'),
} as const satisfies Record<string, Options>;

const doubtful = 'Rows that are not as the run left them:';

/** What an operator answers for when the run is verified; each names the exact number of rows. */
export const acceptOptions = {
  'accept-deleted': text(doubtful, 'accept that so many rotated rows were deleted during the run'),
  'accept-changed': text(doubtful, 'accept that so many rows changed after they were rotated'),
  'accept-unproven': text(doubtful, 'accept so many rows that were written under the new key during the run'),
} as const satisfies Record<string, Options>;

export const reportOptions = {
  'report-dir': text(report, 'folder of the report [default: ./keyturn-reports/<run id>]'),
} as const satisfies Record<string, Options>;

export const runOptions = {
  run: text(where, 'id of a run [default: the newest]'),
} as const satisfies Record<string, Options>;

/** Offered by every command. */
export const commonOptions = {
  json: flag('Output:', 'one JSON document on stdout; prose and progress stay on stderr'),
  'log-file': text('Output:', 'write a log (JSON lines) to this file'),
  'log-level': {
    choices: ['silent', 'error', 'warn', 'info', 'debug'],
    requiresArg: true,
    group: 'Output:',
    describe: 'what to log [default: info with --log-file, else silent]',
  },
} as const satisfies Record<string, Options>;

/** Options that are whole numbers, with the least that makes sense. */
const numbers = {
  workers: 1,
  concurrency: 1,
  'chunk-rows': 1,
  'max-exceptions': 0,
  'accept-deleted': 1,
  'accept-changed': 1,
  'accept-unproven': 1,
  'metrics-port': 0,
  'health-port': 0,
} as const;

/** Before anything else is done: numbers that are none. */
export function assertNumbers(args: Readonly<Record<string, unknown>>): void {
  for (const [name, least] of Object.entries(numbers)) {
    const value = args[name];
    if (typeof value === 'string') count(value, `--${name}`, least);
  }
}

/** A whole number; undefined stays undefined. */
export function count(value: string | undefined, option: string, least = 1): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number;
  throw new KeyturnError(
    'bad-option',
    `${option} takes a whole number from ${least} up, not ${JSON.stringify(value)}`,
    {
      hint: `for example ${option} ${Math.max(least, 4)}`,
    },
  );
}
