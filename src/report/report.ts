import type { Knex } from 'knex';
import {
  type ExceptionReason,
  ExceptionTable,
  type RecordedException,
  undecidedReasons,
} from '../checkpoint/exception-table.ts';
import { ChunkFigures } from '../checkpoint/figures.ts';
import type { Finding, Run, RunKind, RunOptions, RunState } from '../checkpoint/run.ts';
import { type RunEvent, RunTable } from '../checkpoint/run-table.ts';
import { formatOf } from '../formats/registry.ts';
import { targetName } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import { auditChunks, nothingAudited } from './chunk-audit.ts';
import { type Figures, figuresOf, sumFigures } from './figures.ts';
import { type Pause, pausesOf } from './pauses.ts';
import type { Places } from './places.ts';
import { type Proof, proofOf, rowsOf } from './proof.ts';
import { sealedOtherwise } from './sealed-otherwise.ts';
import { survivalOf } from './survival.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** A report lists so many exceptions; a table full of them is for `keyturn exceptions list`. */
const listedExceptions = 1000;

/** A master key and, in the words of NIST SP 800-57, what the run made of it. */
export interface KeyState {
  /** Public fingerprint; never the key. */
  readonly id: string;
  readonly before: 'pre-active' | 'active';
  /** Deactivated: it seals nothing any more, and opens old copies only. */
  readonly after: 'pre-active' | 'active' | 'deactivated';
}

export interface TargetReport extends Figures {
  readonly target: string;
  /** Name of its phase. */
  readonly phase: string;
}

/** One declared field: where the job expects ciphertext. */
export interface DeclaredField {
  readonly target: string;
  readonly column: string;
  /** `text`, `list`, `json` or `file`. */
  readonly document: string;
  /** Leaves of a JSON document; empty: the whole value, or any leaf. */
  readonly paths: readonly string[];
  /** Which rows: `key = features.ldap`; empty: all. */
  readonly rows: string;
  readonly format: string;
  readonly authenticated: boolean;
}

/** What was declared, what was found, and the difference; taken before the first change. */
export interface InventoryReport {
  readonly declared: readonly DeclaredField[];
  readonly targets: Run['inventory']['targets'];
  /** Declared tables that this database lacks. */
  readonly absent: readonly string[];
  /** Ciphertext, or what looks like it, where no field declares any; `excluded` says why that is left alone. */
  readonly undeclared: readonly Finding[];
  /** Tables that the login may not read: what is in them is unknown. */
  readonly unread: readonly string[];
  /** Tables without a row id: searched before the run, not verified. */
  readonly unkeyed: readonly string[];
  /** Columns that the job leaves alone, whether or not anything was found there. */
  readonly exclusions: readonly {
    readonly table: string;
    readonly column: string;
    readonly reason: string;
  }[];
  /** Files beside the database that were knowingly left out; null: none were. */
  readonly leftOut: string | null;
  /** Null: the job names every place itself. */
  readonly places: Places | null;
}

/** Where a value is that could not be rotated, and why; never what it holds. */
export interface ListedException {
  readonly table: string;
  readonly rowId: RecordedException['rowId'];
  readonly field: string;
  readonly path: string;
  readonly reason: ExceptionReason;
  readonly at: string;
}

/**
 * What one run did and what that proves. Plain data, computed from the checkpoint tables alone: the same tables give
 * the same report. Holds no key, plaintext, ciphertext, wrapped key or digest (invariant 9).
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
    /** Hex SHA-256 of the job file. */
    readonly hash: string;
  };
  /** Where the database is, without a password. */
  readonly database: string;
  readonly keys: {
    readonly from: KeyState;
    readonly to: KeyState;
    /** Names of keys found in the database, kept wrapped under the new key in the run's row until it is forgotten. */
    readonly sources: readonly string[];
  };
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
  readonly options: RunOptions;
  readonly inventory: InventoryReport;
  readonly targets: readonly TargetReport[];
  readonly totals: Figures;
  readonly proof: Proof;
  readonly exceptions: {
    /** All that are open. */
    readonly count: number;
    /** The first of them. */
    readonly listed: readonly ListedException[];
  };
  /** Where old ciphertext may live on, out of reach; sentences. */
  readonly survival: readonly string[];
  readonly history: readonly RunEvent[];
}

/**
 * @param authenticated whoever calls had the new key, and found the run's records as keyturn wrote them
 * @throws KeyturnError `run-unknown`.
 */
export async function buildReport(checkpoint: Knex, runId: string, authenticated = false): Promise<Report> {
  return reportOf(checkpoint, await new RunTable(checkpoint).get(runId), authenticated);
}

/** The report of a run as it was read: its state is that of `run`, whatever became of it since. */
export async function reportOf(checkpoint: Knex, run: Run, authenticated = false): Promise<Report> {
  const history = await new RunTable(checkpoint).events(run.id);
  const targets = await targetsOf(checkpoint, run);
  const totals = sumFigures(targets);
  const exceptions = new ExceptionTable(checkpoint, run.id);
  const { job } = run;
  const undecided = await exceptions.countOpen({ only: undecidedReasons });
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
    options: run.options,
    inventory: inventoryOf(run),
    targets,
    totals,
    proof: proofOf(run, targets, totals),
    exceptions: await exceptionsOf(checkpoint, run),
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
      phase: run.job.phases[of.phase] ?? 'only verified',
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

async function exceptionsOf(checkpoint: Knex, run: Run): Promise<Report['exceptions']> {
  const table = new ExceptionTable(checkpoint, run.id);
  const open = await table.open(listedExceptions);
  return {
    count: await table.countOpen(),
    listed: open.map(({ target, rowId, field, path, reason, at }) => ({
      table: target,
      rowId,
      field,
      path,
      reason,
      at,
    })),
  };
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
        paths: typeof field.document === 'string' || field.document.json === 'any' ? [] : field.document.json,
        rows: rowsOf(target, field),
        format: formatOf(field.format).name,
        authenticated: formatOf(field.format).authenticated,
      })),
    ),
    targets: inventory.targets,
    absent: inventory.absent,
    undeclared: inventory.undeclared,
    unread: inventory.unread,
    unkeyed: inventory.unkeyed ?? [],
    exclusions: job.exclude.map(({ table, column, reason }) => ({ table, column, reason })),
    leftOut: job.leftOut ?? null,
    places: placesOf(job, inventory),
  };
}

function keysOf(run: Run, { ranges, sweeps }: Figures, { result }: Verdict): Report['keys'] {
  const sources = Object.keys(run.pinned).sort();
  if (run.kind === 'verification') {
    const key: KeyState = { id: run.fromKeyId, before: 'active', after: 'active' };
    return { from: key, to: key, sources };
  }
  const done = result === 'verified' || result === 'verified-with-exceptions';
  const sealed = run.kind === 'rotation' && ranges.tally.rotated + sweeps.tally.rotated > 0;
  return {
    from: { id: run.fromKeyId, before: 'active', after: done ? 'deactivated' : 'active' },
    to: { id: run.toKeyId, before: 'pre-active', after: sealed ? 'active' : 'pre-active' },
    sources,
  };
}

function authorityOf({ authority: { operator, approver, ticket, reason } }: Run): Report['authority'] {
  return { operator, approver: approver ?? null, ticket: ticket ?? null, reason: reason ?? null };
}

/** A dry run never becomes `verified`: it ends when everything was rehearsed. */
function finishedAt(run: Run, history: readonly RunEvent[]): string | null {
  if (run.kind !== 'dry-run' || run.state !== 'rotated') return run.finishedAt;
  return history.findLast(({ event }) => event === 'rotated')?.at ?? null;
}
