import { isWriting, type Run } from '../checkpoint/run.ts';
import { formatOf } from '../formats/registry.ts';
import { type Field, type Job, type Target, targetName } from '../job/job.ts';
import { count, thousands } from './count.ts';
import type { Figures } from './figures.ts';

/** What it means for one format that the old key decrypts nothing. */
export interface FormatProof {
  readonly format: string;
  readonly authenticated: boolean;
  /** Values of the targets that use this format; an upper bound if a target uses several formats. */
  readonly values: number;
  /** Chance that a wrong key seems to decrypt one of them, at most (`Format.odds`). */
  readonly odds: number;
  /** How many of them a wrong key would seem to decrypt, at most (values × odds); null: none, the format is authenticated. */
  readonly expectedFalseOpenings: number | null;
  /** The explanation for people. */
  readonly meaning: string;
}

/** A field whose plaintext is the master key itself. It must change, so no digest is compared. */
export interface Exemption {
  readonly target: string;
  readonly field: string;
  /** The rows: `type = data_encryption, algorithm = aes-256-cbc`; empty: all rows. */
  readonly rows: string;
}

/** What the verification proves, and what it cannot prove. */
export interface Proof {
  /** Full scans; 0: nothing is proven yet. */
  readonly scans: number;
  /** Lists of rows that were rotated again because a scan found the old key in them, or because they were retried. */
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
        'authenticated, so this is exact: a value that one key decrypts cannot be decrypted with any other key; ' +
        (run.kind === 'verification'
          ? 'the values that were decrypted here were encrypted with this key'
          : 'of the values that the new key decrypts, the old key decrypts none'),
    };
  }
  const expected = Number((values * odds.odds).toPrecision(3));
  const oneIn = thousands(Number((1 / odds.odds).toPrecision(3)));
  return {
    ...odds,
    values,
    expectedFalseOpenings: expected,
    meaning:
      `not authenticated: by chance, a wrong key passes all checks of at most 1 value in ${oneIn} and yields garbage. ` +
      `Any wrong key would seem to decrypt ` +
      `${expected < 1 ? 'fewer than one' : `about ${thousands(expected)}`} of up to ${count(values, 'value')} here ` +
      `(${thousands(values)} / ${oneIn})` +
      (run.kind === 'verification'
        ? '. So one decrypted value proves little. The proof is that all values except the exceptions can be decrypted, to the kind of content that the job expects'
        : ', and so would the old key. The proof does not depend on this: the new key decrypts the values, and their digests are equal'),
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
      'A dry run writes nothing and proves nothing about the database. Every value was decrypted with the old key and encrypted with the new key; the result was decrypted again and compared.',
    ];
  }
  if (!totals.verification.complete) return ['No scan is complete yet: nothing is proven so far.'];
  return isWriting(run.kind) ? rotationStatement(run, totals) : verificationStatement(run, totals);
}

function rotationStatement(run: Run, { verification: found, sweeps, exceptions }: Figures): string[] {
  const key = run.kind === 'rollback' ? 'old' : 'new';
  return [
    `${run.round === 1 ? 'A full scan' : `The last of ${thousands(run.round)} full scans`} read all ${count(found.rows, 'row')} again with the ${key} key and the keys that it unwraps, without filters and with other code than the rotation.`,
    `${count(found.proven, 'row')} proven: the ${key} key decrypts the values, and the keyed digest of row id, field, path and plaintext equals the digest taken before the values were encrypted. What could not be decrypted then (an exception, a look-alike, clear text) is stored unchanged.`,
    ...(run.job.targets.some(({ onlyVerified }) => onlyVerified === true)
      ? [
          'This includes the rows of tables where the inventory found nothing: they were read for the verification only, and the old key decrypts nothing in them.',
        ]
      : []),
    ...(found.new === 0
      ? []
      : [`${count(found.new, 'row')} written with the new key during the run: there is no earlier digest.`]),
    ...(found.changed === 0
      ? []
      : [`${count(found.changed, 'row')} changed since they were rotated: see the exceptions.`]),
    ...(found.late === 0 ? [] : [`${count(found.late, 'row')} late: they still use the old key.`]),
    ...(found.gone === 0 ? [] : [`${count(found.gone, 'row')} deleted since the rotation.`]),
    ...(sweeps.chunks === 0
      ? []
      : [`${count(sweeps.chunks, 'sweep')} rotated rows that were written during the run or retried.`]),
    ...(exceptions === 0
      ? []
      : ['The open exceptions were not rotated: nothing is proven about their content.']),
  ];
}

function verificationStatement(run: Run, { verification: found, exceptions }: Figures): string[] {
  const compared = found.proven + found.changed + found.gone > 0;
  return [
    `A full scan read all ${count(found.rows, 'row')} with one key and the keys that it unwraps. ${oldKeysText(run)}`,
    compared
      ? `Compared with the digests of the rotation to this key: ${count(found.proven, 'row')} equal, ${thousands(found.changed)} changed since, ${thousands(found.new)} new since, ${thousands(found.gone)} deleted since.`
      : 'There is no rotation to this key to compare with: this proves that the values can be decrypted, not that they are unchanged.',
    ...(exceptions === 0 ? [] : ['The open exceptions cannot be decrypted with this key, or are undecided.']),
  ];
}

/** What is known of the old keys where the scan with one key sees no error. */
function oldKeysText({ inventory: { oldKeysTried = [], leftover = [] } }: Run): string {
  if (oldKeysTried.length === 0) return 'The old key was not tried.';
  const found = leftover.length === 0 ? 'no value' : 'values, listed in the verdict,';
  return `Outside the fields of the job, and among look-alikes in them, the old key ${oldKeysTried.join(', ')} decrypts ${found}.`;
}

/** The rows of its target that a field applies to: `type = data_encryption`; empty: all rows. */
export function rowsOf({ shape }: Target, { when }: Field): string {
  return when.map(({ index, values }) => `${shape.columns[index] ?? ''} = ${values.join(' or ')}`).join(', ');
}

function exemptionsOf(target: Target): Exemption[] {
  return target.fields
    .filter(({ becomes }) => becomes !== undefined)
    .map((field) => ({ target: target.shape.table, field: field.column, rows: rowsOf(target, field) }));
}
