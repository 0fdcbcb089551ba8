import type { Knex } from 'knex';
import { z } from 'zod';
import type { Transaction } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { assertLeaseFree } from './lease.ts';
import { altered, type CheckpointMac } from './mac.ts';
import { PlanCount } from './plan-count.ts';
import {
  assertMayBecome,
  isFinished,
  isWriting,
  type Request,
  type Run,
  type RunState,
  requests,
} from './run.ts';
import { contentOf, fromRow, type RunRow } from './run-row.ts';
import { readStored, readWord } from './stored.ts';

/** Columns that are set after the run was inserted. */
type SetLater =
  | 'createdAt'
  | 'finishedAt'
  | 'requested'
  | 'waiting'
  | 'coordinator'
  | 'content'
  | 'mac'
  | 'unreadable';

export interface RunEvent {
  readonly seq: number;
  readonly at: string;
  readonly event: string;
  readonly detail: Readonly<Record<string, string | number>>;
}

const storedDetail = z.record(z.string(), z.union([z.string(), z.number()]));

function now(): string {
  return new Date().toISOString();
}

/** The runs of one database. */
export class RunTable {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** @param supersedes the run that this one rolls back: it ends in the same transaction */
  async insert(run: Omit<Run, SetLater>, mac: CheckpointMac, supersedes: Run | null = null): Promise<void> {
    const row = {
      id: run.id,
      kind: run.kind,
      state: run.state,
      reason: null,
      requested: null,
      waiting: null,
      job: JSON.stringify(run.job),
      from_key_id: run.fromKeyId,
      to_key_id: run.toKeyId,
      fence: run.fence,
      round: run.round,
      pinned: JSON.stringify(run.pinned),
      options: JSON.stringify(run.options),
      authority: JSON.stringify(run.authority),
      inventory: JSON.stringify(run.inventory),
      tool_version: run.toolVersion,
      place: run.place,
      coordinator: null,
      created_at: await this.#momentAfterAll(),
      finished_at: null,
    };
    await this.#knex.transaction(async (trx) => {
      // A write first: of two coordinators that begin a run, one waits here until the other has
      await trx.raw('update keyturn_version set version = version');
      if (supersedes !== null) await supersede(trx, supersedes);
      if (isWriting(run.kind)) await assertFirst(trx);
      await trx<RunRow>('keyturn_run').insert({ ...row, mac: mac.of('run', [contentOf(row)]) });
      await new PlanCount(trx, mac).begin(trx);
    });
  }

  /** Now, but later than every other run, even if the clock was set back. */
  async #momentAfterAll(): Promise<string> {
    const last = await this.#knex<RunRow>('keyturn_run')
      .max<{ at: string | null }>('created_at as at')
      .first();
    const soonest = last?.at == null ? 0 : Date.parse(last.at) + 1;
    return new Date(Math.max(Date.now(), soonest)).toISOString();
  }

  async find(id: string): Promise<Run | undefined> {
    const row = await this.#knex<RunRow>('keyturn_run').where({ id }).first();
    return row === undefined ? undefined : fromRow(row as RunRow);
  }

  async get(id: string): Promise<Run> {
    const run = await this.find(id);
    if (run !== undefined) return run;
    throw new KeyturnError('run-unknown', `this database has no run ${id}`, {
      hint: 'keyturn status lists the runs',
    });
  }

  /** Newest first. */
  async list(): Promise<Run[]> {
    const rows = await this.#knex<RunRow>('keyturn_run').orderBy('created_at', 'desc').orderBy('id', 'desc');
    return rows.map((row) => fromRow(row as RunRow));
  }

  async unfinished(): Promise<Run | undefined> {
    return (await this.list()).find((run) => isWriting(run.kind) && !isFinished(run.state));
  }

  /** Changes the state, if the table of transitions allows it and no other coordinator has raised the fence. */
  async become(run: Run, to: RunState, reason: Run['reason'] = null): Promise<Run> {
    assertMayBecome(run, to);
    const written = await this.#knex<RunRow>('keyturn_run')
      .where({ id: run.id, fence: run.fence, state: run.state })
      .update({
        state: to,
        waiting: null,
        reason: reason === null ? null : JSON.stringify(reason),
        finished_at: isFinished(to) ? now() : null,
      });
    if (written !== 1) throw takenOver(run);
    return { ...run, state: to, reason, waiting: null, finishedAt: isFinished(to) ? now() : null };
  }

  /**
   * A new coordinator takes over. From now on transactions of workers that started before it do nothing.
   *
   * @param coordinator host and process.
   * @throws KeyturnError `run-lock` while another coordinator is alive
   */
  async takeOver(run: Run, coordinator: string, leased: boolean): Promise<Run> {
    await this.#knex.transaction(async (trx) => {
      const row = trx<RunRow>('keyturn_run').where({ id: run.id });
      await row.clone().increment('fence', 1);
      const found = await row.clone().first('coordinator', 'heartbeat');
      const lease = { owner: found?.coordinator ?? null, heartbeat: found?.heartbeat ?? null };
      if (leased) assertLeaseFree(run.id, lease, coordinator);
      await row.clone().update({ requested: null, waiting: null, coordinator, heartbeat: now() });
    });
    return this.get(run.id);
  }

  /** The coordinator is alive. Throws `run-lock` when another one has taken over. */
  async beat({ id, fence }: Run): Promise<void> {
    const written = await this.#knex<RunRow>('keyturn_run').where({ id, fence }).update({ heartbeat: now() });
    if (written !== 1) throw takenOver({ id });
  }

  /** The coordinator ends, however far the run is. */
  async endLease({ id, fence }: Run): Promise<void> {
    await this.#knex<RunRow>('keyturn_run').where({ id, fence }).update({ heartbeat: null });
  }

  /** A new verification scan begins. */
  async beginRound(run: Run, round: number): Promise<Run> {
    const written = await this.#knex<RunRow>('keyturn_run')
      .where({ id: run.id, fence: run.fence })
      .update({ round });
    if (written !== 1) throw takenOver(run);
    return { ...run, round };
  }

  /** Stores changed options, or a job that was extended during the run. `run` must be authentic. */
  async update(
    run: Run,
    part: Partial<Pick<Run, 'options' | 'job' | 'inventory' | 'pinned'>>,
    mac: CheckpointMac,
  ): Promise<Run> {
    const row = await this.#knex<RunRow>('keyturn_run').where({ id: run.id, fence: run.fence }).first();
    if (row === undefined) throw takenOver(run);
    if (contentOf(row as RunRow) !== run.content) throw altered(run.id, 'its row');
    const next: RunRow = {
      ...(row as RunRow),
      ...(part.options !== undefined && { options: JSON.stringify(part.options) }),
      ...(part.job !== undefined && { job: JSON.stringify(part.job) }),
      ...(part.inventory !== undefined && { inventory: JSON.stringify(part.inventory) }),
      ...(part.pinned !== undefined && { pinned: JSON.stringify(part.pinned) }),
    };
    const { options, job, inventory, pinned } = next;
    const content = contentOf(next);
    const stored = { options, job, inventory, pinned, mac: mac.of('run', [content]) };
    const written = await this.#knex<RunRow>('keyturn_run')
      .where({ id: run.id, fence: run.fence })
      .update(stored);
    if (written !== 1) throw takenOver(run);
    return { ...run, ...part, content, mac: stored.mac };
  }

  /** Asks the coordinator, in whatever process, to stop between two chunks. */
  async request(run: Run, request: Request): Promise<void> {
    await this.#knex<RunRow>('keyturn_run').where({ id: run.id }).update({ requested: request });
  }

  /** Why no chunk is offered, for `keyturn status`. */
  async setWaiting(run: Run, waiting: string | null): Promise<void> {
    await this.#knex<RunRow>('keyturn_run').where({ id: run.id, fence: run.fence }).update({ waiting });
  }

  async requested(run: Run): Promise<Request | null> {
    const row = await this.#knex<RunRow>('keyturn_run').where({ id: run.id }).first('requested');
    const word = row?.requested ?? null;
    const cell = { run: run.id, table: 'keyturn_run', column: 'requested' } as const;
    return word === null ? null : readWord(requests, word, cell);
  }

  /** Appends to the run's history, which is part of the report. Only the coordinator writes it. */
  async record(run: string, event: string, detail: RunEvent['detail'] = {}): Promise<void> {
    const last = await this.#knex('keyturn_event')
      .where({ run })
      .max<{ seq: number | null }>('seq as seq')
      .first();
    await this.#knex('keyturn_event').insert({
      run,
      seq: (last?.seq ?? 0) + 1,
      at: now(),
      event,
      detail: JSON.stringify(detail),
    });
  }

  async events(run: string): Promise<RunEvent[]> {
    const rows = await this.#knex('keyturn_event').where({ run }).orderBy('seq');
    return rows.map((row) => ({
      seq: row.seq,
      at: row.at,
      event: row.event,
      detail: detailOf(row.detail, run),
    }));
  }
}

/** Nothing depends on the history: a detail that cannot be read is left out. */
function detailOf(text: string, run: string): RunEvent['detail'] {
  try {
    return readStored(storedDetail, text, { run, table: 'keyturn_event', column: 'detail' });
  } catch {
    return {};
  }
}

/**
 * Whether the run is still in this state under the fence that the worker read. The row is locked for sharing, so that a
 * stop or a takeover waits for this transaction (invariant 2). SQLite has one writer and no row locks.
 */
export async function holdsRun(trx: Transaction, run: Run, state: RunState): Promise<boolean> {
  const row = await trx<RunRow>('keyturn_run').where({ id: run.id }).forShare().first('state', 'fence');
  return row?.state === state && row.fence === run.fence;
}

/** From now on its workers and its coordinator do nothing, as after a takeover, and it cannot be resumed. */
async function supersede(trx: Transaction, run: Run): Promise<void> {
  assertMayBecome(run, 'superseded');
  const written = await trx<RunRow>('keyturn_run')
    .where({ id: run.id, fence: run.fence, state: run.state })
    .update({
      state: 'superseded',
      fence: run.fence + 1,
      reason: null,
      requested: null,
      waiting: null,
      finished_at: now(),
    });
  if (Number(written) !== 1) throw takenOver(run);
}

/** Two runs with two new keys would each take the other's values for damaged ones. */
async function assertFirst(trx: Transaction): Promise<void> {
  const rows = await trx<RunRow>('keyturn_run').select('id', 'kind', 'state');
  const unfinished = rows.find(({ kind, state }) => isWriting(kind) && !isFinished(state as RunState));
  if (unfinished === undefined) return;
  throw new KeyturnError('run-unfinished', `run ${unfinished.id} was begun at the same time`, {
    hint: 'continue it with keyturn resume',
    facts: { run: unfinished.id },
  });
}

function takenOver(run: Pick<Run, 'id'>): KeyturnError {
  return new KeyturnError('run-lock', `run ${run.id} was taken over by another coordinator`, {
    hint: 'keyturn status shows its state',
  });
}
