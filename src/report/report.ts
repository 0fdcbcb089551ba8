import type { Knex } from 'knex';
import type { DerivedSecrets } from '../checkpoint/derived-secrets.ts';
import {
  type ExceptionReason,
  ExceptionTable,
  type RecordedException,
  undecidedReasons,
} from '../checkpoint/exception-table.ts';
import { ChunkFigures } from '../checkpoint/figures.ts';
import type { Finding, Run, RunKind, RunOptions, RunState } from '../checkpoint/run.ts';
import { type RunEvent, RunTable } from '../checkpoint/run-table.ts';
import { KeyturnError } from '../error.ts';
import { formatOf } from '../formats/registry.ts';
import { targetName } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import { auditChunks, nothingAudited } from './chunk-audit.ts';
import { type Figures, figuresOf, sumFigures } from './figures.ts';
import { type KeysReport, keysOf } from './keys.ts';
import { type Pause, pausesOf } from './pauses.ts';
import type { Places } from './places.ts';
import { type Proof, proofOf, rowsOf } from './proof.ts';
import { sealedOtherwise } from './sealed-otherwise.ts';
import { survivalOf } from './survival.ts';
import { type Timeline, timelineOf } from './timeline.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** Exceptions that a report lists; `keyturn exceptions list` shows all. */
const listedExceptions = 1000;

export interface TargetReport extends Figures {
  readonly target: string;
  /** The name of its phase. */
  readonly phase: string;
}

/** A field in which the job expects ciphertext. */
export interface DeclaredField {
  readonly target: string;
  readonly column: string;
  /** `text`, `list`, `json` or `file`. */
  readonly document: string;
  /** Leaves of a JSON document; empty: the whole value, or any leaf. */
  readonly paths: readonly string[];
  /** The rows: `key = features.ldap`; empty: all rows. */
  readonly rows: string;
  readonly format: string;
  readonly authenticated: boolean;
}

/** What is declared, what was found, and the difference, before the first change. */
export interface InventoryReport {
  readonly declared: readonly DeclaredField[];
  readonly targets: Run['inventory']['targets'];
  /** Declared tables that this database does not have. */
  readonly absent: readonly string[];
  /** Ciphertext, or what looks like it, outside declared fields; `excluded` is the reason for not rotating it. */
  readonly undeclared: readonly Finding[];
  /** Tables that the database user cannot read: their content is unknown. */
  readonly unread: readonly string[];
  /** What may have been hidden from the database user without an error. */
  readonly unseen: readonly string[];
  /** Tables without a row id: searched before and after the run, but not verified row by row. */
  readonly unkeyed: readonly string[];
  /** Columns that the job does not rotate, whether or not something was found in them. */
  readonly exclusions: readonly {
    readonly table: string;
    readonly column: string;
    readonly reason: string;
  }[];
  /** Files outside the database that --no-attachments skipped; null: none. */
  readonly leftOut: string | null;
  /** Null: the job declares every field itself. */
  readonly places: Places | null;
  /** Rows whose encrypted data is outside the database. */
  readonly uncovered: NonNullable<Run['inventory']['uncovered']>;
  /** Secrets that the application derives from its key, without their values; null: it derives none. */
  readonly derivedSecrets: DerivedSecrets | null;
}

/** The location of a value that could not be rotated, and the reason; never its content. */
export interface ListedException {
  readonly table: string;
  readonly rowId: RecordedException['rowId'];
  readonly field: string;
  readonly path: string;
  readonly reason: ExceptionReason;
  readonly at: string;
}

/**
 * What a run did, and what that proves. Plain data, computed only from the checkpoint tables: the same tables give the
 * same report. Contains no key, plaintext, ciphertext, wrapped key or digest (invariant 9).
 */
export interface Report {
  readonly format: 'keyturn-report/1';
  readonly verdict: Verdict;
  /** Whether the records of the run were checked with the new key when this report was written. */
  readonly authenticated: boolean;
  readonly run: {
    readonly id: string;
    readonly kind: RunKind;
    readonly state: RunState;
    readonly reason: { readonly code: string; readonly text: string } | null;
    readonly toolVersion: string;
  };
  readonly job: {
    readonly name: string;
    readonly title: string;
    /** SHA-256 of the job file, in hex. */
    readonly hash: string;
  };
  /** The address of the database, without a password. */
  readonly database: string;
  readonly keys: KeysReport;
  readonly authority: {
    readonly operator: string;
    readonly approver: string | null;
    readonly ticket: string | null;
    readonly reason: string | null;
  };
  readonly times: {
    readonly created: string;
    readonly finished: string | null;
    readonly pauses: readonly Pause[];
  };
  readonly timeline: Timeline | null;
  readonly options: RunOptions;
  readonly inventory: InventoryReport;
  readonly targets: readonly TargetReport[];
  readonly totals: Figures;
  readonly proof: Proof;
  readonly exceptions: {
    /** All open exceptions. */
    readonly count: number;
    /** The first of them. */
    readonly listed: readonly ListedException[];
  };
  /** Where old ciphertext can remain, as sentences. */
  readonly survival: readonly string[];
  readonly history: readonly RunEvent[];
}

/**
 * @param authenticated whether the caller has checked the records of the run with the new key
 * @throws KeyturnError `run-unknown`.
 */
export async function buildReport(checkpoint: Knex, runId: string, authenticated = false): Promise<Report> {
  return reportOf(checkpoint, await new RunTable(checkpoint).get(runId), authenticated);
}

/** The report of a run in the state in which it was read, even if it has changed since. */
export async function reportOf(checkpoint: Knex, read: Run, authenticated = false): Promise<Report> {
  const { unreadable, ...exceptions } = await exceptionsOf(checkpoint, read);
  const run = { ...read, unreadable: read.unreadable ?? unreadable };
  const history = await new RunTable(checkpoint).events(run.id);
  const targets = await targetsOf(checkpoint, run);
  const totals = sumFigures(targets);
  const { job } = run;
  const undecided = await new ExceptionTable(checkpoint, run.id).countOpen({ only: undecidedReasons });
  const verdict = verdictOf(run, totals, { undecided, authenticated });
  return {
    format: 'keyturn-report/1',
    verdict,
    authenticated,
    run: { id: run.id, kind: run.kind, state: run.state, reason: run.reason, toolVersion: run.toolVersion },
    job: { name: job.name, title: job.title, hash: job.hash },
    database: run.place,
    keys: keysOf(run, totals, verdict),
    authority: authorityOf(run),
    times: { created: run.createdAt, finished: finishedAt(run, history), pauses: pausesOf(history) },
    timeline: await timelineOf(new ChunkFigures(checkpoint, run.id)),
    options: run.options,
    inventory: inventoryOf(run),
    targets,
    totals,
    proof: proofOf(run, targets, totals),
    exceptions,
    survival: survivalOf(run),
    history,
  };
}

async function targetsOf(checkpoint: Knex, run: Run): Promise<TargetReport[]> {
  const totals = await new ChunkFigures(checkpoint, run.id).totals();
  const audits = await auditChunks(checkpoint, run);
  const exceptions = await openExceptions(checkpoint, run);
  return run.job.targets.map((of) => {
    const name = targetName(of);
    const rows = run.inventory.targets.find(({ target }) => target === name)?.rows ?? null;
    const audit = audits.get(name) ?? nothingAudited;
    return {
      target: name,
      phase: run.job.phases[of.phase] ?? 'verified only',
      ...figuresOf(
        of.onlyVerified === true ? { ...run, kind: 'verification' } : run,
        rows,
        totals.get(name),
        audit,
        exceptions.get(name) ?? 0,
      ),
    };
  });
}

async function openExceptions(checkpoint: Knex, run: Run): Promise<Map<string, number>> {
  const rows: { target: string; n: number | string }[] = await checkpoint('keyturn_exception')
    .where({ run: run.id, state: 'open' })
    .groupBy('target')
    .select('target')
    .count({ n: '*' });
  return new Map(rows.map(({ target, n }) => [target, Number(n)]));
}

/** If one of them cannot be read, none is listed, and the reason is returned. */
async function exceptionsOf(
  checkpoint: Knex,
  run: Run,
): Promise<Report['exceptions'] & { unreadable: string | null }> {
  const table = new ExceptionTable(checkpoint, run.id);
  const all = await table.countOpen();
  try {
    const open = await table.open(listedExceptions);
    const listed = open.map(({ target, chunk, state, ...exception }) => ({ table: target, ...exception }));
    return { count: all, listed, unreadable: null };
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    return { count: all, listed: [], unreadable: error.message };
  }
}

function placesOf({ everywhere }: Run['job'], { places = [] }: Run['inventory']): InventoryReport['places'] {
  if (everywhere === undefined) return null;
  const { sensitive, decisions, certain } = everywhere;
  const found = places.map(({ table, column, path, values, ...place }) => ({
    ...place,
    place: placeText(table, column, path),
    values: Object.values(values).reduce((sum, n) => sum + n, 0),
  }));
  return { sensitive, decisions, certain, found, sealedOtherwise: sealedOtherwise({ places }, decisions) };
}

function inventoryOf({ job, inventory }: Run): InventoryReport {
  return {
    declared: job.targets.flatMap((target) =>
      target.fields.map((field) => ({
        target: target.shape.table,
        column: field.column,
        document:
          target.tree !== undefined ? 'file' : typeof field.document === 'string' ? field.document : 'json',
        paths:
          typeof field.document === 'string' || typeof field.document.json === 'string'
            ? []
            : field.document.json,
        rows: rowsOf(target, field),
        format: formatOf(field.format).name,
        authenticated: formatOf(field.format).authenticated,
      })),
    ),
    targets: inventory.targets,
    absent: inventory.absent,
    undeclared: inventory.undeclared,
    unread: inventory.unread,
    unseen: inventory.unseen ?? [],
    unkeyed: inventory.unkeyed ?? [],
    exclusions: job.exclude.map(({ table, column, reason }) => ({ table, column, reason })),
    leftOut: job.leftOut ?? null,
    places: placesOf(job, inventory),
    uncovered: inventory.uncovered ?? [],
    derivedSecrets: inventory.derived ?? null,
  };
}

function authorityOf({ authority: { operator, approver, ticket, reason } }: Run): Report['authority'] {
  return { operator, approver: approver ?? null, ticket: ticket ?? null, reason: reason ?? null };
}

/** A dry run never becomes `verified`: it ends when all chunks are done. */
function finishedAt(run: Run, history: readonly RunEvent[]): string | null {
  if (run.kind !== 'dry-run' || run.state !== 'rotated') return run.finishedAt;
  return history.findLast(({ event }) => event === 'rotated')?.at ?? null;
}
