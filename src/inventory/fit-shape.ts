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

/** So many values do not open by chance: (1/255)^20. */
const convincing = 20;

/**
 * A job that goes by shape, fitted to what a scan found: which tables are rotated, which are only verified, and what each
 * binary column holds.
 *
 * @throws KeyturnError `undecided-place` for a binary column that is neither ciphertext nor free of it, and for a
 * decision on a place where nothing was found; `no-row-id` for values in a table that cannot be walked.
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
 * The job of a run, fitted to what came behind its inventory: what holds values is a target too, which the verifier
 * reads and sweeps. The very same job when nothing does.
 *
 * @param scan of what no target of the job declares
 * @param lost what opened would be lost with its key: what keyturn cannot rotate is refused, and not only left out.
 * @throws KeyturnError as `fitShape`
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

/** @param tables with the columns that none of `known` declares */
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

/** Only worth saying where some value is not plausible by itself. */
function isCertain({ values, undecided, lookAlikes, exceptions }: PlaceCounts): boolean {
  const opened = Object.values(values).reduce((sum, n) => sum + n, undecided);
  return undecided > 0 && lookAlikes === 0 && exceptions === 0 && opened >= convincing;
}

/** Look-alikes alone are none of the run's business. */
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
 * All of a column, or nothing of it: a value that opens by chance must not be rewritten, and none be left behind.
 *
 * @param secrets in its gzips: these no decision leaves behind
 */
function kindOf(
  found: BinaryColumn,
  decisions: readonly Decision[],
  secrets: boolean,
): 'gzip' | 'ciphertext' | 'nothing' {
  const { table, column, filled, gzips, opened, known } = found;
  const place = placeText(table, column, '');
  const decided = decisions.find((each) => each.place === place)?.as;
  // Decided so, what is no gzip is an exception
  if (gzips > 0 && (gzips === filled || (decided === 'rotate' && opened === 0))) return 'gzip';
  if ((decided === 'leave' && !secrets) || (opened === 0 && gzips === 0)) return 'nothing';
  if (gzips === 0 && (known || (opened === filled && filled >= convincing))) return 'ciphertext';
  const what =
    opened === filled
      ? `all ${filled} values open with this key, too few to rule out chance`
      : `${opened} of ${filled} values open with this key, ${gzips} are gzips of text`;
  throw new KeyturnError('undecided-place', `the binary column ${place}: ${what}`, {
    hint: waysOut(place, gzips > 0 && opened > 0, secrets),
    facts: { target: table, column },
  });
}

/** @param both gzips, and other values that open */
function waysOut(place: string, both: boolean, secrets: boolean): string {
  if (both && secrets)
    return `keyturn rotates one kind of values in a column: move the others to a column of their own, or begin the run with --exclude '${place}=reason', which leaves all of them behind`;
  if (both) return `the gzips hold no secrets: with --decide '${place}=leave' nothing of it is rotated`;
  return secrets
    ? `the gzips hold secrets: with --decide '${place}=rotate' they are rotated, and what is no gzip is an exception`
    : `settle it: --decide '${place}=rotate' or '${place}=leave'`;
}

/** Secrets in something that is not taken apart would be lost with the old key. */
function assertLeft(strays: readonly Stray[], decisions: readonly Decision[]): void {
  const lost = strays
    .map(({ table, column, path, values }) => ({ place: placeText(table, column, path), values }))
    .filter(({ place }) => !decisions.some((each) => each.place === place && each.as === 'leave'));
  const [first] = lost;
  if (first === undefined) return;
  const places = lost.map(({ place, values }) => `${place} (${values})`).join(', ');
  throw new KeyturnError(
    'undecided-place',
    `values under this key stand inside something that keyturn does not take apart: ${places}`,
    {
      hint: `they would be lost with the old key: put them in order first, or leave them behind with --decide '${first.place}=leave'`,
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
  throw new KeyturnError('undecided-place', `--decide ${place}=${as}: nothing was found there`, {
    hint: `${near.length === 0 ? '' : `near it: ${near.join(', ')}; `}keyturn scan lists the places, as --decide wants them written`,
  });
}

/** In the same column, or in the same table under the same name. */
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
    `the table ${table.name} holds ciphertext, and has no primary key and no unique index over NOT NULL columns`,
    {
      hint: 'keyturn walks a table by its key; add a unique index over NOT NULL columns',
      facts: { table: table.name },
    },
  );
}
