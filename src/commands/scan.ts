import type { PlaceCounts } from '../checkpoint/run.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { formatOf, programmedFormats } from '../formats/registry.ts';
import { findKeyring } from '../inventory/keys/source-keys.ts';
import { type ScanResult, scanDatabase } from '../inventory/scan.ts';
import type { Job } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { count } from '../report/count.ts';
import { sealedOtherwise } from '../report/sealed-otherwise.ts';
import { unlessStopped } from '../rotation/unless-stopped.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { currentKeyOptions, databaseOptions, decideOptions, groups, jobOptions } from './options/options.ts';
import { jobNamed } from './steps/job-named.ts';
import { askCurrentKeys, warn } from './steps/key-sources.ts';
import { withDatabase } from './steps/opened.ts';
import { fitJob } from './steps/prepared-run.ts';

const options = {
  ...jobOptions,
  ...decideOptions,
  ...databaseOptions,
  ...currentKeyOptions,
  'all-formats': {
    type: 'boolean',
    group: groups.input,
    describe: 'search for every known format that accepts such a key, not only for the formats of the job',
  },
} as const;

type Given = Arguments<typeof options>;

export const scan = defineCommand({
  words: ['scan'],
  describe: 'find ciphertext anywhere in the database; changes nothing',
  epilogue: `scan reads every text and binary column of every table, and JSON inside JSON. It prints each place in the form that --decide expects.

Example:
  keyturn scan --job octopus --database postgres://user@host/octopus --current-key-file old.key`,
  options,
  async run(context, args) {
    const loaded = jobNamed(args.job);
    return withDatabase(context, args, ({ database }) =>
      unlessStopped(
        context.signal,
        database
          .catalog()
          .then((catalog) =>
            scanWith(
              context,
              database,
              catalog,
              fitJob(loaded, catalog, { ...args, attachments: false }),
              args,
            ),
          ),
      ),
    );
  },
});

async function scanWith(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: Given,
): Promise<CommandResult> {
  const { current, others } = await askCurrentKeys(context, args, job);
  const rings = [];
  for (const key of [current, ...others])
    rings.push({ id: key.id, ring: await ringOf(database, catalog, job, key) });
  const { text, binary } = wanted(job, args.allFormats === true);
  const rules = job.everywhere ?? { sensitive: [], decisions: [], certain: [] };
  const found = await scanDatabase(database, catalog, { text, binary, rings, rules, exclude: [] });
  const places = found.places.map((place) => ({ ...place, leftOut: leftOut(job, catalog, place) }));
  const warnings = [...(await database.server.unseen()), ...sealedOtherwise(found, rules.decisions)];
  for (const warning of warnings) warn(context, warning);
  const keyIds = rings.map(({ id }) => id);
  return {
    exitCode: 0,
    document: {
      database: database.place,
      job: job.name,
      keyIds,
      places,
      binary: found.binary,
      strays: found.strays,
      unread: found.unread,
      warnings,
    },
    text: `${[`${job.title} database ${database.place}`, ...lines(places, found)].join('\n')}\n`,
  };
}

/** A key that does not decrypt the source keys of this database is tried alone. */
async function ringOf(database: Database, catalog: readonly Table[], job: Job, key: Key): Promise<Keyring> {
  try {
    return await findKeyring(database, catalog, job, key);
  } catch (error) {
    if (error instanceof KeyturnError && error.code === 'source-key') return new Keyring(key);
    throw error;
  }
}

function wanted(job: Job, all: boolean): Pick<Parameters<typeof scanDatabase>[2], 'text' | 'binary'> {
  const { everywhere, targets } = job;
  const named = [
    ...targets.flatMap(({ fields }) => fields.map(({ format }) => formatOf(format))),
    ...(everywhere === undefined ? [] : [formatOf(everywhere.text)]),
    ...(everywhere?.binary === undefined ? [] : [formatOf(everywhere.binary)]),
    ...(all ? programmedFormats : []),
  ];
  const formats = [...new Set(named)];
  return {
    text: formats.filter(({ carries }) => carries === 'text'),
    binary: formats.filter(({ carries }) => carries === 'bytes'),
  };
}

/** Why the job would not rotate the values in this place; null: it would. */
function leftOut(
  job: Job,
  catalog: readonly Table[],
  { table, column, values, undecided }: PlaceCounts,
): string | null {
  const excluded = job.exclude.find((each) => each.table === table && each.column === column);
  if (excluded !== undefined) return `excluded: ${excluded.reason}`;
  if (catalog.find(({ name }) => name === table)?.rowId.length === 0) return 'the table has no row id';
  if (job.everywhere === undefined) {
    const target = job.targets.find(({ shape }) => shape.table === table);
    return target?.fields.some((field) => field.column === column) === true
      ? null
      : 'not declared by the job';
  }
  if (Object.keys(values).length > 0) return null;
  return undecided > 0 ? 'undecided: use --decide' : 'look-alikes';
}

function lines(
  places: readonly (PlaceCounts & { leftOut: string | null })[],
  { binary, strays, unread }: ScanResult,
): string[] {
  const found = places.map(({ table, column, path, document, format, leftOut: why, ...counts }) => {
    const inside = document === 'gzip' ? ' (gzip)' : '';
    return `${placeText(table, column, path)}${inside}: ${format}, ${countsOf(counts)}${why === null ? '' : `; not rotated, ${why}`}`;
  });
  const filled = binary.map(
    (each) =>
      `${placeText(each.table, each.column, '')}: ${count(each.filled, 'binary value')}, ${each.gzips} gzips of text, ${each.opened} encrypted as a whole`,
  );
  const inside = strays.map(
    ({ table, column, path, values }) =>
      `${placeText(table, column, path)}: ${count(values, 'value')} inside content that keyturn does not parse`,
  );
  return [
    ...(found.length === 0 ? ['no ciphertext found, and nothing that looks like it'] : found),
    ...filled,
    ...inside,
    ...unread.map((table) => `${table}: could not be read`),
  ];
}

function countsOf({
  values,
  undecided,
  lookAlikes,
  exceptions,
}: Pick<PlaceCounts, 'values' | 'undecided' | 'lookAlikes' | 'exceptions'>): string {
  return [
    ...Object.entries(values).map(([id, n]) => `${count(n, 'value')} with key ${id}`),
    ...(undecided > 0 ? [`${undecided} undecided`] : []),
    ...(exceptions > 0 ? [`${exceptions} that no key decrypts, in a sensitive place`] : []),
    ...(lookAlikes > 0 ? [count(lookAlikes, 'look-alike')] : []),
  ].join(', ');
}
