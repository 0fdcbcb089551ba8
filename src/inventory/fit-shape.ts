import type { PlaceCounts } from '../checkpoint/run.ts';
import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import {
  ciphertextField,
  searchableColumns,
  searchedField,
  shapedTarget,
  undeclaredColumns,
} from '../job/everywhere.ts';
import { type Decision, type Job, type Target, targetName } from '../job/job.ts';
import { placeText, readPlace } from '../job/place.ts';
import type { BinaryColumn, ScanResult, Stray } from './scan.ts';

/** This many values do not open by chance: (1/255)^20. */
const convincing = 20;

/**
 * Fits a job that finds ciphertext by shape to what a scan found: which tables are rotated, which are only verified,
 * and what each binary column contains.
 *
 * @throws KeyturnError `undecided-place` for a binary column with both ciphertext and other values, and for a decision on a
 * place in which nothing was found; `no-row-id` for values in a table without a key.
 */
export function fitShape(job: Job, catalog: readonly Table[], scan: ScanResult): Job {
  const { everywhere } = job;
  if (everywhere === undefined) return job;
  for (const decision of everywhere.decisions) assertFound(decision, scan);
  assertLeft(scan.strays, everywhere.decisions);
  const named = job.targets.filter(({ fields }) => fields.every(({ byShape }) => byShape !== true));
  return {
    ...job,
    everywhere: { ...everywhere, certain: certainOf(scan) },
    targets: [...named, ...shapedBy(job, named, undeclaredColumns(catalog, named), scan)],
  };
}

/**
 * Fits the job of a run to what was added since its inventory: columns with values become targets, which the verifier
 * reads and sweeps. Returns the same object if there are none.
 *
 * @param scan of what no target of the job declares
 * @param lost true: values that open would be lost with the key, so values that keyturn cannot rotate are refused
 * @throws KeyturnError like `fitShape`
 */
export function fitLate(job: Job, catalog: readonly Table[], scan: ScanResult, lost: boolean): Job {
  const { everywhere, phases, targets } = job;
  if (everywhere === undefined) return job;
  if (lost) assertLeft(scan.strays, everywhere.decisions);
  const tables = undeclaredColumns(catalog, targets).filter(({ rowId }) => lost || rowId.length > 0);
  const late = shapedBy(job, targets, tables, scan)
    .filter(({ onlyVerified }) => onlyVerified !== true)
    .map((target): Target => ({ ...target, phase: phases.length, onlyVerified: true }));
  if (late.length === 0) return job;
  const certain = [...new Set([...everywhere.certain, ...certainOf(scan)])];
  return { ...job, everywhere: { ...everywhere, certain }, targets: [...targets, ...late] };
}

/** @param tables with the columns that no target of `known` declares */
function shapedBy(job: Job, known: readonly Target[], tables: readonly Table[], scan: ScanResult): Target[] {
  const names = new Set(known.map(targetName));
  const phase = job.phases.length - 1;
  return tables.flatMap((table): Target[] => {
    const hit = scan.places.some((place) => isWithin(place, table) && isHit(place));
    if (table.rowId.length === 0) {
      if (hit) throw unwalkable(table);
      return [];
    }
    const declared = declaredOf(job, table, scan);
    if (declared.length === 0) return [];
    const target = shapedTarget(table, phase, declared, names);
    return [hit ? target : { ...target, phase: phase + 1, onlyVerified: true }];
  });
}

function isWithin({ table, column }: PlaceCounts, { name, columns }: Table): boolean {
  return table === name && columns.some((each) => each.name === column);
}

function certainOf({ places }: ScanResult): string[] {
  return places.filter(isCertain).map(({ table, column, path }) => placeText(table, column, path));
}

/** Matters only if some value is not plausible by itself. */
function isCertain({ values, undecided, lookAlikes, exceptions }: PlaceCounts): boolean {
  const opened = Object.values(values).reduce((sum, n) => sum + n, undecided);
  return undecided > 0 && lookAlikes === 0 && exceptions === 0 && opened >= convincing;
}

/** Look-alikes alone do not count. */
function isHit({ values, undecided, exceptions }: PlaceCounts): boolean {
  return Object.keys(values).length > 0 || undecided > 0 || exceptions > 0;
}

function declaredOf(
  { everywhere, exclude }: Job,
  table: Table,
  { binary, places }: ScanResult,
): Parameters<typeof shapedTarget>[2] {
  if (everywhere === undefined) return [];
  return searchableColumns(table, exclude).flatMap(({ name: column, holds }) => {
    if (holds === 'text') return [searchedField(column, 'any', everywhere.text)];
    const found = binary.find((each) => each.table === table.name && each.column === column);
    const secrets = places.some(
      (place) =>
        place.table === table.name && place.column === column && place.document === 'gzip' && isHit(place),
    );
    const kind = found === undefined ? 'nothing' : kindOf(found, everywhere.decisions, secrets);
    if (kind === 'gzip') return [searchedField(column, 'gzip', everywhere.text)];
    return kind === 'ciphertext' && everywhere.binary !== undefined
      ? [ciphertextField(column, everywhere.binary)]
      : [];
  });
}

/**
 * A binary column is rotated as a whole or not at all: a value that opens by chance must not be rewritten, and no
 * secret may be left behind.
 *
 * @param secrets whether its gzips contain secrets: no decision can leave these behind
 */
function kindOf(
  found: BinaryColumn,
  decisions: readonly Decision[],
  secrets: boolean,
): 'gzip' | 'ciphertext' | 'nothing' {
  const { table, column, filled, gzips, opened, known } = found;
  const place = placeText(table, column, '');
  const decided = decisions.find((each) => each.place === place)?.as;
  // By this decision, a value that is not a gzip becomes an exception
  if (gzips > 0 && (gzips === filled || (decided === 'rotate' && opened === 0))) return 'gzip';
  if ((decided === 'leave' && !secrets) || (opened === 0 && gzips === 0)) return 'nothing';
  if (gzips === 0 && (known || (opened === filled && filled >= convincing))) return 'ciphertext';
  const what =
    opened === filled
      ? `all ${filled} values can be decrypted with this key, but they are too few to rule out chance`
      : `${opened} of ${filled} values can be decrypted with this key, and ${gzips} are gzips of text`;
  throw new KeyturnError('undecided-place', `binary column ${place}: ${what}`, {
    hint: waysOut(place, gzips > 0 && opened > 0, secrets),
    facts: { target: table, column },
  });
}

/** @param both whether there are gzips and also other values that open */
function waysOut(place: string, both: boolean, secrets: boolean): string {
  if (both && secrets)
    return `keyturn rotates only one kind of value per column: move the others to another column, or use --exclude '${place}=reason' to leave all of them behind`;
  if (both)
    return `the gzips contain no secrets: use --decide '${place}=leave' to rotate nothing in this column`;
  return secrets
    ? `the gzips contain secrets: use --decide '${place}=rotate' to rotate them; any value that is not a gzip becomes an exception`
    : `decide with --decide '${place}=rotate' or '${place}=leave'`;
}

/** Secrets inside something that is not parsed would be lost with the old key. */
function assertLeft(strays: readonly Stray[], decisions: readonly Decision[]): void {
  const lost = strays
    .map(({ table, column, path, values }) => ({ place: placeText(table, column, path), values }))
    .filter(({ place }) => !decisions.some((each) => each.place === place && each.as === 'leave'));
  const [first] = lost;
  if (first === undefined) return;
  const places = lost.map(({ place, values }) => `${place} (${values})`).join(', ');
  throw new KeyturnError(
    'undecided-place',
    `found values under this key inside text or bytes that keyturn does not parse: ${places}`,
    {
      hint: `they would be lost with the old key: change them first, or leave them behind with --decide '${first.place}=leave'`,
    },
  );
}

/** @throws KeyturnError `undecided-place` */
export function assertFound({ place, as }: Decision, { places, binary, strays }: ScanResult): void {
  const found = new Set([
    ...[...places, ...strays].map(({ table, column, path }) => placeText(table, column, path)),
    ...binary.map(({ table, column }) => placeText(table, column, '')),
  ]);
  if (found.has(place)) return;
  const near = [...found].filter((each) => isNear(each, place)).slice(0, 3);
  throw new KeyturnError('undecided-place', `--decide ${place}=${as}: nothing found in this place`, {
    hint: `${near.length === 0 ? '' : `similar places: ${near.join(', ')}; `}keyturn scan lists all places in the form that --decide expects`,
  });
}

/** In the same column, or in the same table with the same name. */
function isNear(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => {
    const { table = '', column = '', path = '' } = readPlace(text.toLowerCase()) ?? {};
    return { table, column, last: path.split('.').at(-1) };
  });
  return a?.table === b?.table && (a?.column === b?.column || a?.last === b?.last);
}

function unwalkable(table: Table): KeyturnError {
  return new KeyturnError(
    'no-row-id',
    `table ${table.name} contains ciphertext, but has no primary key and no unique index over NOT NULL columns`,
    {
      hint: 'keyturn needs a key to read a table in chunks; add a unique index over NOT NULL columns',
      facts: { table: table.name },
    },
  );
}
