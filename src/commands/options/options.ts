import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import { bytesOf } from '../../rotation/size.ts';
import { logLevels } from '../../terminal/log.ts';

/** The options that commands share, in groups. */

const text = (group: string, describe: string) =>
  ({ type: 'string', requiresArg: true, group, describe }) as const;
const flag = (group: string, describe: string) => ({ type: 'boolean', group, describe }) as const;

/** Headings of the help page, for the commands that have options of their own. */
export const groups = {
  input: 'Database and job:',
  keys: 'Keys:',
  consent: 'Confirmation (prompted for on a terminal):',
  accept: 'Rows that differ from what the run wrote:',
  execution: 'Execution:',
  monitoring: 'Monitoring:',
  report: 'Report:',
  output: 'Output:',
} as const;

export const databaseOptions = {
  database: text(
    groups.input,
    'sqlite:path, postgres://user@host:5432/db?schema=x, mysql://user@host:3306/db, mssql://user@host:1433/db or Server=…;Database=… [env: KEYTURN_DATABASE]',
  ),
} as const satisfies Record<string, Options>;

export const jobOptions = {
  job: text(groups.input, 'name of a built-in job, or path of your own YAML file'),
  'table-prefix': text(groups.input, 'prefix of all table names in this installation'),
  exclude: {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.input,
    describe: 'table.column=reason: do not rotate this column; the report shows the reason; repeatable',
  },
} as const satisfies Record<string, Options>;

export const decideOptions = {
  decide: {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.input,
    describe:
      'table.column.path=rotate or table.column.path=leave: what to do with undecided values in this place; repeatable',
  },
} as const satisfies Record<string, Options>;

export const applicationEnvOptions = {
  'application-env': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.input,
    describe:
      'file with the environment of the application (NAME=value lines): secrets that it sets are in use and are left alone; repeatable',
  },
} as const satisfies Record<string, Options>;

export const currentKeyOptions = {
  'current-key-file': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.keys,
    describe:
      "file of the application's current key, or of a list with commas that begins with it; repeat it for older keys that some values are still encrypted with; NAME=FILE for a further key of the job [env: KEYTURN_CURRENT_MASTER_KEY; otherwise the credential keyturn-current-key of systemd, or prompted for on a terminal]; - reads it from stdin",
  },
  'current-key-command': text(groups.keys, 'command that prints the current key; it runs in a shell'),
} as const satisfies Record<string, Options>;

export const newKeyOptions = {
  'new-key-file': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.keys,
    describe:
      'file of the new key; if it does not exist, a new key is written to it (mode 0600) before the first change; NAME=FILE for a further key of the job',
  },
  'new-key-command': text(
    groups.keys,
    'command that prints the new key, which must exist, or is made and given to --store-key-command',
  ),
} as const satisfies Record<string, Options>;

export const storeKeyOptions = {
  'store-key-command': text(
    groups.keys,
    'command that stores a new key, which it reads from stdin, before the first change; --new-key-command must return it',
  ),
} as const satisfies Record<string, Options>;

export const masterKeyOptions = {
  masterKey: text(groups.keys, 'the new key itself; - reads it from stdin'),
} as const satisfies Record<string, Options>;

export const consentOptions = {
  iReallyWantToRotateMyMasterKey: flag(groups.consent, 're-encrypt the database with the new key'),
  iHaveBackedUpMyDatabase: flag(groups.consent, 'there is a backup that can be restored'),
} as const satisfies Record<string, Options>;

export const unprovenOptions = {
  'unproven-job': flag(
    groups.consent,
    'use a job whose places were not compared with the source of the application',
  ),
} as const satisfies Record<string, Options>;

export const upgradeOptions = {
  upgradeDatabase: flag(
    groups.consent,
    "change tables: widen columns that are too narrow for the new ciphertext, and upgrade keyturn's own tables of an older version",
  ),
} as const satisfies Record<string, Options>;

export const forceOptions = {
  force: flag(groups.consent, 'continue even if other programs are, or may be, connected to the database'),
} as const satisfies Record<string, Options>;

export const workerOptions = {
  workers: text(
    groups.execution,
    'worker threads in this process [default: number of cores; none with --queue]',
  ),
} as const satisfies Record<string, Options>;

export const memoryOptions = {
  memory: text(
    groups.execution,
    'memory that this process may use, such as 500MB; chunks become small enough [default: 250MB, and 200MB for each worker thread]',
  ),
} as const satisfies Record<string, Options>;

export const nestedOptions = {
  nested: {
    choices: ['rotate', 'unwrap'],
    requiresArg: true,
    group: groups.execution,
    describe:
      'what to do with a value that is encrypted twice: encrypt both layers with the new key, or remove the inner one [default: an exception]',
  },
} as const satisfies Record<string, Options>;

export const paceOptions = {
  ...workerOptions,
  ...memoryOptions,
  'chunk-rows': text(
    groups.execution,
    'rows per chunk [default: 200 to 20,000, depending on the database and how long a chunk takes]',
  ),
  'on-exception': {
    choices: ['stop', 'skip'],
    requiresArg: true,
    group: groups.execution,
    describe: 'what to do with a value that cannot be decrypted [default: stop]',
  },
  ...nestedOptions,
  'chunk-timeout': text(
    groups.execution,
    'split a chunk when one of its statements takes longer; 0: no limit [default: 60s; no effect on SQLite, on MySQL only for reads]',
  ),
  'max-exceptions': text(
    groups.execution,
    'with --on-exception skip: stop after more exceptions than this [default: 100]',
  ),
} as const satisfies Record<string, Options>;

export const dryRunOptions = {
  'dry-run': flag(groups.execution, 'do everything, encryption included, but write nothing to the database'),
} as const satisfies Record<string, Options>;

export const signatureOptions = {
  operator: text(groups.report, 'who runs this [default: the login name]'),
  reason: text(groups.report, 'why it is done'),
} as const satisfies Record<string, Options>;

export const authorityOptions = {
  ...signatureOptions,
  approver: text(groups.report, 'who approved it'),
  ticket: text(groups.report, 'ticket or change number'),
} as const satisfies Record<string, Options>;

/** The operator accepts these rows although the run cannot prove them; each option names the exact number of rows. */
export const acceptOptions = {
  'accept-deleted': text(
    groups.accept,
    'accept that this number of rotated rows were deleted during the run',
  ),
  'accept-changed': text(groups.accept, 'accept that this number of rows changed after they were rotated'),
  'accept-unproven': text(
    groups.accept,
    'accept this number of rows that were written with the new key during the run',
  ),
} as const satisfies Record<string, Options>;

export const reportOptions = {
  'report-dir': text(groups.report, 'folder for the report [default: ./keyturn-reports/<run id>]'),
  'sign-key': text(groups.report, 'file with an Ed25519 private key (PEM) that signs the report'),
} as const satisfies Record<string, Options>;

export const runOptions = {
  run: text(groups.input, 'id of the run [default: the latest run]'),
} as const satisfies Record<string, Options>;

/** Options of every command. */
export const commonOptions = {
  json: flag(groups.output, 'print one JSON document on stdout; messages and progress go to stderr'),
  'log-file': text(groups.output, 'write a log (JSON lines) to this file'),
  'log-level': {
    choices: logLevels,
    requiresArg: true,
    group: groups.output,
    describe: 'how much to log [default: info with --log-file, otherwise silent]',
  },
} as const satisfies Record<string, Options>;

/** Options that are whole numbers, with their minimum. */
const numbers = {
  workers: 1,
  concurrency: 1,
  'chunk-rows': 1,
  'max-exceptions': 0,
  'accept-deleted': 1,
  'accept-changed': 1,
  'accept-unproven': 1,
} as const;

const ports = ['metrics-port', 'health-port'];
const lastPort = 65_535;

/** Rejects invalid numbers before anything else is done. Throws `bad-option`. */
export function assertNumbers(args: Readonly<Record<string, unknown>>): void {
  for (const [name, least] of Object.entries(numbers)) {
    const value = args[name];
    if (typeof value === 'string') count(value, `--${name}`, least);
  }
  for (const name of ports) {
    const value = args[name];
    if (typeof value === 'string') assertPort(value, `--${name}`);
  }
  if (typeof args.memory === 'string') bytesOf(args.memory, '--memory');
}

function assertPort(value: string, option: string): void {
  if ((count(value, option, 0) ?? 0) <= lastPort) return;
  throw new KeyturnError(
    'bad-option',
    `${option} must be a port number of at most ${lastPort}, not ${JSON.stringify(value)}`,
    { hint: `for example ${option} 9464, or ${option} 0 for any free port` },
  );
}

/** A whole number; undefined stays undefined. */
export function count(value: string | undefined, option: string, least = 1): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number;
  throw new KeyturnError(
    'bad-option',
    `${option} must be a whole number of at least ${least}, not ${JSON.stringify(value)}`,
    {
      hint: `for example ${option} ${Math.max(least, 4)}`,
    },
  );
}
