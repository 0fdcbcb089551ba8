import { documentPages, isDocuments } from '../chunk/files/document-file.ts';
import { treeOf } from '../chunk/files/file-target.ts';
import { countByField, type FieldCounts } from '../chunk/values/field-counts.ts';
import { type PreparedTarget, prepareTarget } from '../chunk/values/field-values.ts';
import { layerFormats } from '../chunk/values/layers.ts';
import type { Database, Row, RowShape } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Tree } from '../files/tree.ts';
import { type Job, targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { bytesOf, pagesOf } from './pages.ts';
import { atOnce, type Refuse } from './refuse.ts';
import { sampleFiles } from './sample-files.ts';
import { betterFields, hintOf } from './way-to-declare.ts';

/** From each of the beginning, the middle and the end of a table. */
const sampledRows = 20;
const fewRows = 4;
const manyBytes = 1024 * 1024;
/** Read to find values in columns that most rows leave empty. */
const mostRows = 20_000;
const mostBytes = 64 * 1024 * 1024;
/** Fewer failures may be single damaged values. */
const fewest = 4;

/** What is needed to open a sample. */
export interface Sampling {
  readonly job: Job;
  readonly from: Keyring;
  readonly to: Keyring;
  readonly tryAll: boolean;
  /** The run skips values that do not open, so it can begin if some of the sample open. */
  readonly skips: boolean;
  readonly attachments: string | null;
}

/** What was found in a sample, per target and field. */
export interface Sampled extends FieldCounts {
  readonly target: string;
  /** How the job must declare fields of this target so that their values open; null: unknown. */
  readonly remedy: string | null;
}

/** Opens some rows of every target. Writes nothing. */
export async function sampleTargets(database: Database, sampling: Sampling): Promise<readonly Sampled[]> {
  const { job, from, to, tryAll, attachments } = sampling;
  const layers = layerFormats(job);
  const found: Sampled[] = [];
  for (const target of job.targets.filter(({ onlyVerified }) => onlyVerified !== true)) {
    const prepared = prepareTarget(target, job.everywhere, layers);
    const name = targetName(target);
    if (target.tree !== undefined && !isDocuments(prepared)) {
      const seen = await sampleFiles(treeOf(target, attachments), prepared, from, sampledRows);
      const [field] = prepared.fields;
      const format = field?.format.name ?? '';
      found.push({
        target: name,
        column: '',
        format,
        proves: false,
        ...seen,
        nested: 0,
        remedy: null,
      });
      continue;
    }
    const rows =
      target.tree === undefined
        ? await sampleRows(database, target.shape)
        : await firstDocuments(treeOf(target, attachments));
    const rotation = { from, to, mode: 'chunk', tryAll } as const;
    const first = countByField(prepared, rows, rotation);
    const rare = target.tree === undefined ? rareColumns(prepared, first) : [];
    const more = await rowsWithValues(database, target.shape, rare, rows);
    const counts = more.length === 0 ? first : countByField(prepared, [...rows, ...more], rotation);
    const doubtful = counts.some(({ opened, closed, unparsed }) => closed + unparsed > opened);
    const remedy = doubtful ? hintOf(betterFields(prepared, rows, from)) : null;
    found.push(...counts.map((each) => ({ target: name, remedy, ...each })));
  }
  return found;
}

/** Columns of which the sample has hardly any value. What is found by shape was counted already. */
function rareColumns({ fields }: PreparedTarget, counts: readonly FieldCounts[]): string[] {
  const columns = new Set(
    fields.filter(({ field }) => field.byShape !== true).map(({ field }) => field.column),
  );
  for (const { column, opened, closed, unparsed } of counts)
    if (opened + closed + unparsed >= fewest) columns.delete(column);
  return [...columns];
}

/** Rows that have something in columns which most rows leave empty: among the first of the table, besides the sample. */
async function rowsWithValues(
  database: Database,
  shape: RowShape,
  columns: readonly string[],
  sample: readonly Row[],
): Promise<Row[]> {
  const known = new Set(sample.map(({ id }) => JSON.stringify(id)));
  const left = new Map(columns.map((column) => [shape.columns.indexOf(column), sampledRows]));
  const found: Row[] = [];
  if (columns.length === 0 || known.size < sampledRows) return found;
  let [rows, bytes] = [0, 0];
  for await (const page of pagesOf(database, shape)) {
    for (const row of page) {
      const held = [...left].filter(([at, wanted]) => wanted > 0 && (row.values[at] ?? '') !== '');
      if (held.length === 0 || known.has(JSON.stringify(row.id))) continue;
      for (const [at, wanted] of held) left.set(at, wanted - 1);
      found.push(row);
    }
    rows += page.length;
    bytes += bytesOf(page);
    if (rows > mostRows || bytes > mostBytes || [...left.values()].every((wanted) => wanted === 0)) break;
  }
  return found;
}

async function firstDocuments(tree: Tree): Promise<readonly Row[]> {
  for await (const rows of documentPages(tree, { rows: 3 * sampledRows, bytes: manyBytes })) return rows;
  return [];
}

/** Fewer rows of large documents: all are in memory at one time. */
async function sampleAt(database: Database, shape: RowShape, skip: number): Promise<Row[]> {
  const all = { after: null, upTo: null };
  const first = await database.readRange(shape, all, fewRows, skip);
  if (bytesOf(first) > manyBytes) return first;
  return [...first, ...(await database.readRange(shape, all, sampledRows - fewRows, skip + fewRows))];
}

/** Each row once; of a small table without large documents, all rows. */
export async function sampleRows(database: Database, shape: RowShape): Promise<Row[]> {
  const last = Math.max(0, (await database.count(shape.table)) - sampledRows);
  const found = new Map<string, Row>();
  for (const skip of new Set([0, Math.floor(last / 2), last])) {
    for (const row of await sampleAt(database, shape, skip)) found.set(JSON.stringify(row.id), row);
  }
  return [...found.values()];
}

/**
 * If hardly any value of a field opens, the values are not damaged: the key or the job is wrong.
 *
 * @throws KeyturnError `wrong-format`, `wrong-current-key`
 */
export function assertOpens(sampled: readonly Sampled[], skips: boolean, refuse: Refuse = atOnce): void {
  for (const { target, column, format, proves, opened, closed, unparsed, remedy } of sampled) {
    const of = opened + closed + unparsed;
    const place = column === '' ? target : `${target}.${column}`;
    const few = skips && proves ? opened === 0 : closed > opened;
    if (unparsed >= fewest && unparsed > opened + closed)
      refuse(wrongFormat(place, { format, unparsed, of, remedy }));
    else if (closed >= fewest && few) refuse(wrongKey(place, { closed, of, remedy }));
  }
}

function wrongFormat(
  place: string,
  found: Pick<Sampled, 'format' | 'unparsed' | 'remedy'> & { readonly of: number },
): KeyturnError {
  const { format, unparsed, of, remedy } = found;
  return new KeyturnError(
    'wrong-format',
    `${unparsed} of ${of} sampled values of ${place} are not in the format ${format}`,
    {
      hint: remedy ?? 'correct the format, the document or the column in the job; nothing was changed',
      facts: { place },
    },
  );
}

function wrongKey(
  place: string,
  { closed, of, remedy }: Pick<Sampled, 'closed' | 'remedy'> & { readonly of: number },
): KeyturnError {
  return new KeyturnError(
    'wrong-current-key',
    `${closed} of ${of} sampled values of ${place} cannot be decrypted with this key`,
    {
      hint:
        remedy ??
        'check the key and the job; if they use an older key, add it with another --current-key-file; nothing was changed',
      facts: { place },
    },
  );
}
