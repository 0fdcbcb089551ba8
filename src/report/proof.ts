import type { Run } from '../checkpoint/run.ts';
import { formatOf } from '../formats/registry.ts';
import { type Field, type Job, type Target, targetName } from '../job/job.ts';
import { count, thousands } from './count.ts';
import type { Figures } from './figures.ts';

/** What trying the old key on the values of one format can tell. */
export interface FormatProof {
  readonly format: string;
  readonly authenticated: boolean;
  /** Values of the targets that use this format; an upper bound where a target uses several. */
  readonly values: number;
  /** Chance that a wrong key seems to open one of them, at most (`Format.odds`). */
  readonly odds: number;
  /** How many of them a wrong key would seem to open, at most (values × odds); null: none, the format is authenticated. */
  readonly expectedFalseOpenings: number | null;
  /** What "the old key opens nothing" means here. */
  readonly meaning: string;
}

/** A field whose plaintext is the master key itself: it must differ afterwards, so no digest compares it. */
export interface Exemption {
  readonly target: string;
  readonly field: string;
  /** Which rows: `type = data_encryption, algorithm = aes-256-cbc`; empty: all. */
  readonly rows: string;
}

/** What the verification proves, and what it cannot. */
export interface Proof {
  /** Full scans taken; 0: nothing is proven yet. */
  readonly scans: number;
  /** Sweeps: lists of rows that were rotated again because a scan found them late, or because they were retried. */
  readonly sweeps: number;
  readonly statement: readonly string[];
  readonly formats: readonly FormatProof[];
  readonly exempt: readonly Exemption[];
}

export function proofOf(
  run: Run,
  targets: readonly (Figures & { readonly target: string })[],
  totals: Figures,
): Proof {
  return {
    scans: run.round,
    sweeps: totals.sweeps.chunks,
    statement: statementOf(run, totals),
    formats: oddsOf(run.job).map((odds) => formatProof(run, odds, valuesOf(run.job, targets, odds.format))),
    exempt: run.job.targets.flatMap(exemptionsOf),
  };
}

type FormatOdds = Pick<FormatProof, 'format' | 'authenticated' | 'odds'>;

/** By name: formats that jobs describe themselves share theirs, and the weakest description counts. */
function oddsOf({ targets }: Job): FormatOdds[] {
  const weakest = new Map<string, FormatOdds>();
  for (const { name: format, authenticated, odds } of targets.flatMap(({ fields }) =>
    fields.map((field) => formatOf(field.format)),
  )) {
    const known = weakest.get(format);
    if (known === undefined || known.odds < odds) weakest.set(format, { format, authenticated, odds });
  }
  return [...weakest.values()];
}

export function formatProof(run: Run, odds: FormatOdds, values: number): FormatProof {
  if (odds.authenticated) {
    return {
      ...odds,
      values,
      expectedFalseOpenings: null,
      meaning:
        'authenticated, so this is exact: a value that opens under one key opens under no other; ' +
        (run.kind === 'verification'
          ? 'what opened here was sealed under this key'
          : 'of the values that opened under the new key, the old one opens none'),
    };
  }
  const expected = Number((values * odds.odds).toPrecision(3));
  const oneIn = thousands(Number((1 / odds.odds).toPrecision(3)));
  return {
    ...odds,
    values,
    expectedFalseOpenings: expected,
    meaning:
      `not authenticated as a whole: a wrong key passes all checks of at most 1 value in ${oneIn}, with garbage ` +
      `as its content; of up to ${count(values, 'value')} here, any wrong key would seem to open ` +
      `${expected < 1 ? 'fewer than one' : `about ${thousands(expected)}`} (${thousands(values)} / ${oneIn}), ` +
      (run.kind === 'verification'
        ? 'so one opened value proves little; that all but the exceptions open, with contents of the kind that the job expects, does'
        : 'the old one too; that is chance, and nothing depends on it: the proof is that the new key opens them with an equal digest'),
  };
}

function valuesOf(
  job: Job,
  targets: readonly (Figures & { readonly target: string })[],
  format: string,
): number {
  const using = new Set(
    job.targets
      .filter(({ fields }) => fields.some((field) => formatOf(field.format).name === format))
      .map(targetName),
  );
  return targets
    .filter(({ target }) => using.has(target))
    .reduce((sum, { verification, ranges }) => {
      return sum + (verification.complete ? verification.values : ranges.tally.values);
    }, 0);
}

function statementOf(run: Run, totals: Figures): string[] {
  if (run.kind === 'dry-run') {
    return [
      'A dry run writes nothing and proves nothing about the database. Every value was opened under the old key and sealed under the new one, and what was sealed was opened again and compared.',
    ];
  }
  if (!totals.verification.complete) return ['No scan has read everything yet: nothing is proven so far.'];
  return run.kind === 'rotation' ? rotationStatement(run, totals) : verificationStatement(totals);
}

function rotationStatement(run: Run, { verification: found, sweeps, exceptions }: Figures): string[] {
  return [
    `${run.round === 1 ? 'A full scan' : `The last of ${thousands(run.round)} full scans`} read all ${count(found.rows, 'row')} again, unfiltered and by another reading path than the rotation's, under the new key and the keys that it unwraps.`,
    `${count(found.proven, 'row')} proven: the new key opens the values, and the keyed digest of row id, field, path and plaintext equals the one taken before they were sealed. What did not open then (an exception, a look-alike, clear text) is stored unchanged.`,
    ...(run.job.targets.some(({ onlyVerified }) => onlyVerified === true)
      ? [
          'Among them are the rows of tables where the inventory found nothing: they were read for the verification alone, and nothing in them opens under the old key.',
        ]
      : []),
    ...(found.new === 0
      ? []
      : [`${count(found.new, 'row')} written meanwhile under the new key: no digest from before exists.`]),
    ...(found.changed === 0
      ? []
      : [`Not what they were when they were rotated: ${count(found.changed, 'row')}, see the exceptions.`]),
    ...(found.late === 0 ? [] : [`Still under the old key: ${count(found.late, 'row')}.`]),
    ...(found.gone === 0 ? [] : [`${count(found.gone, 'row')} deleted since the rotation.`]),
    ...(sweeps.chunks === 0
      ? []
      : [`${count(sweeps.chunks, 'sweep')} rotated rows that were written meanwhile, or retried.`]),
    ...(exceptions === 0
      ? []
      : ['The open exceptions were not rotated: nothing is claimed for what they hold.']),
  ];
}

function verificationStatement({ verification: found, exceptions }: Figures): string[] {
  const compared = found.proven + found.changed + found.gone > 0;
  return [
    `A full scan read all ${count(found.rows, 'row')} under one key and the keys that it unwraps. Whether another key opens anything was not asked.`,
    compared
      ? `Compared with the digests of the rotation to this key: ${count(found.proven, 'row')} equal, ${thousands(found.changed)} changed since, ${thousands(found.new)} new since, ${thousands(found.gone)} deleted since.`
      : 'There was no rotation to this key to compare with: that the values open is proven, not that they are unchanged.',
    ...(exceptions === 0 ? [] : ['The open exceptions do not open under this key, or are undecided.']),
  ];
}

/** Which rows of its target a field applies to: `type = data_encryption`; empty: all. */
export function rowsOf({ shape }: Target, { when }: Field): string {
  return when.map(({ index, values }) => `${shape.columns[index] ?? ''} = ${values.join(' or ')}`).join(', ');
}

function exemptionsOf(target: Target): Exemption[] {
  return target.fields
    .filter(({ becomes }) => becomes !== undefined)
    .map((field) => ({ target: target.shape.table, field: field.column, rows: rowsOf(target, field) }));
}
