import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import { generateKey } from '../keys/key-file.ts';
import { readHistory, unfinishedRun } from '../rotation/history.ts';
import { assertDeclared, preflight } from '../rotation/preflight.ts';
import { takeInventory, type Width, widthsOf } from '../rotation/survey.ts';
import { type Context, defineCommand, type Outcome } from './command.ts';
import { jobNamed } from './job-named.ts';
import { askCurrentKey, namesCurrentKey, warn } from './key-sources.ts';
import { unlessStopped, withDatabase } from './opened.ts';
import { currentKeyOptions, databaseOptions, jobOptions } from './options.ts';
import { fitJob, type JobArguments } from './prepared-run.ts';
import { previewLines } from './preview.ts';
import { RunFailure } from './run-failure.ts';

export const plan = defineCommand({
  words: ['plan'],
  describe: 'targets, counts, column widths, findings; changes nothing',
  epilogue: `With the current key it also finds ciphertext that the job does not declare, and tells whether a rotation would be refused.

Example:
  keyturn plan --job n8n --database sqlite:database.sqlite --current-key-file old.key`,
  options: { ...jobOptions, ...databaseOptions, ...currentKeyOptions },
  async run(context, args) {
    const loaded = jobNamed(args.job);
    return withDatabase(context, args, ({ database }) =>
      unlessStopped(
        context.signal,
        database
          .catalog()
          .then((catalog) => lookAt(context, database, catalog, fitJob(loaded, catalog, args), args)),
      ),
    );
  },
});

async function lookAt(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: JobArguments,
): Promise<Outcome> {
  const widths = await Promise.all(job.targets.map((target) => widthsOf(database, catalog, target)));
  const looked = await findings(context, database, catalog, job, args);
  const { inventory, warnings, refusal } = looked;
  const lines = [
    `${job.title} database ${database.place}`,
    ...previewLines(job, inventory),
    ...job.targets.flatMap(({ shape }, i) => (widths[i] ?? []).map((width) => widthLine(shape.table, width))),
    ...looked.unknown,
  ];
  const document = {
    job: { name: job.name, title: job.title, hash: job.hash },
    database: database.place,
    keyId: looked.keyId,
    phases: job.phases,
    targets: job.targets.map(({ shape, phase, fields }, i) => ({
      target: shape.table,
      phase: job.phases[phase],
      rows: inventory.targets.find(({ target }) => target === shape.table)?.rows ?? null,
      id: shape.id,
      fields: fields.map(({ column, format, document: carrier }) => ({ column, format, document: carrier })),
      widths: widths[i],
    })),
    absent: inventory.absent,
    undeclared: looked.keyId === null ? null : inventory.undeclared,
    warnings,
    unknown: looked.unknown,
  };
  for (const warning of warnings) warn(context, warning);
  if (refusal !== null) {
    for (const line of lines) context.terminal.say(line);
    throw new RunFailure(document, { cause: refusal });
  }
  return { exitCode: 0, document, text: `${lines.join('\n')}\n` };
}

/** With a key all that a rotation would look at first, and what it would refuse; without one the counts alone. */
async function findings(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: JobArguments,
): Promise<{
  inventory: Awaited<ReturnType<typeof takeInventory>>;
  warnings: readonly string[];
  unknown: readonly string[];
  keyId: string | null;
  refusal: KeyturnError | null;
}> {
  const unfinished = unfinishedRun(await readHistory(database.knex));
  if (unfinished !== undefined || !namesCurrentKey(context, args)) {
    const why =
      unfinished === undefined
        ? 'without the current key it is unknown whether anything opens, and whether ciphertext stands where no field declares it: add --current-key-file'
        : `run ${unfinished.id} is unfinished (${unfinished.state}): go on with keyturn resume`;
    const inventory = await takeInventory(database, catalog, job, null);
    return { inventory, warnings: [], unknown: [why], keyId: null, refusal: null };
  }
  const current = await askCurrentKey(context, args, job.key);
  try {
    const found = await preflight(database, catalog, job, { current, next: generateKey(job.key) });
    const { inventory, warnings } = found;
    return {
      inventory,
      warnings,
      unknown: [],
      keyId: current.id,
      refusal: refusalOf(() => assertDeclared(inventory.undeclared)),
    };
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    const inventory = await takeInventory(database, catalog, job, null);
    return { inventory, warnings: [], unknown: [], keyId: null, refusal: error };
  }
}

function refusalOf(check: () => void): KeyturnError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof KeyturnError) return error;
    throw error;
  }
}

function widthLine(table: string, { column, width, longest }: Width): string {
  return `${table}.${column} holds ${width} characters, the longest value has ${longest}`;
}
