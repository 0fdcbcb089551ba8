import type { Knex } from 'knex';
import { assertAuthenticChunks } from '../checkpoint/audit.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { ExceptionTable } from '../checkpoint/exception-table.ts';
import { ChunkFigures, type TargetTotals } from '../checkpoint/figures.ts';
import { HandedBack } from '../checkpoint/handed-back.ts';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import { assertAuthentic, type LatePlaces, type Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { originalsOf } from '../chunk/file-target.ts';
import { RowSource } from '../chunk/row-source.ts';
import type { Database, RunLock } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { type Target, targetName } from '../job/job.ts';
import type { Queue } from '../queue/queue.ts';
import { assertProven } from './assert-proven.ts';
import type { Pace } from './pace.ts';
import { halvesOf, Planner, planRound } from './planner.ts';
import { chunkFailed, endOf, foreseen, stateAfter, stillWriting, tooManyExceptions } from './setback.ts';
import { unlessStopped } from './unless-stopped.ts';

/** A scan that finds late rows is taken again after they are swept; this often, then somebody is still writing. */
const mostRounds = 10;
const progressMs = 500;
const askQueueMs = 1_000;

export interface Coordination {
  readonly database: Database;
  readonly attachments: string | null;
  readonly checkpoint: Knex;
  readonly mac: CheckpointMac;
  readonly queue: Queue;
  /** Held for the whole run; null for runs that write nothing. */
  readonly lock: RunLock | null;
  /** Asks to stop: the chunks in flight finish, the run pauses. Its reason is told. */
  readonly signal: AbortSignal;
  /** Windows and throttles. */
  readonly pace: Pace;
  /** Told about twice a second where the run stands. */
  readonly progress: (state: Progress) => void;
  /** Reads what the verifier did not, and tells what of the run came with it; null: nothing did. */
  readonly lookAgain: (run: Run) => Promise<LatePlaces | null>;
}

export interface Progress {
  readonly run: Run;
  readonly totals: ReadonlyMap<string, TargetTotals>;
  /** Exceptions that are open. */
  readonly exceptions: number;
  /** Who makes it wait (why is in the run): what holds it back, the queue, or the database; null: it does not wait. */
  readonly waitingFor: 'pace' | 'queue' | 'database' | null;
}

/** Plans and paces one run from where it stands to its end. */
export class Coordinator {
  readonly #with: Coordination;
  readonly #runs: RunTable;
  readonly #chunks: ChunkTable;
  readonly #figures: ChunkFigures;
  readonly #exceptions: ExceptionTable;
  readonly #source: RowSource;
  readonly #handedBack: HandedBack;
  #run: Run;
  #lastProgress = 0;
  /** Of the hints: another one for every coordinator, stage and loss of the queue, so that none is taken for an old one. */
  #generation: number;
  #askedQueue = 0;
  #waitingFor: Progress['waitingFor'] = null;

  constructor(coordination: Coordination, run: Run) {
    this.#with = coordination;
    this.#run = run;
    this.#generation = run.fence * 1000;
    this.#runs = new RunTable(coordination.checkpoint);
    this.#chunks = new ChunkTable(coordination.checkpoint, run.id, coordination.mac);
    this.#figures = new ChunkFigures(coordination.checkpoint, run.id);
    this.#handedBack = new HandedBack(coordination.checkpoint, run.id);
    this.#source = new RowSource(coordination.database, coordination.attachments);
    this.#exceptions = new ExceptionTable(coordination.checkpoint, run.id);
  }

  /**
   * Takes the run, in state `planned`, `rotating`, `rotated` or `verifying`, to its end. When it cannot get there it
   * pauses or fails, resumable, and throws why.
   */
  async finish(): Promise<Run> {
    try {
      if (this.#run.kind !== 'verification') await this.#rotate();
      if (this.#run.kind === 'dry-run') return this.#run;
      await this.#verifyUntilNothingIsLate();
      await this.#reportProgress(true);
      return this.#run;
    } catch (thrown) {
      const error = foreseen(this.#with.database, thrown);
      await this.#with.queue.drain().catch(() => {});
      await this.#giveUp(error);
      throw error;
    }
  }

  async #rotate(): Promise<void> {
    await this.#become('rotating');
    const { job } = this.#run;
    // One more than there are: tables that are only verified stand behind the last, and what is swept up there
    for (let phase = 0; phase <= job.phases.length; phase++) {
      await this.#drive(
        job.targets.filter((target) => target.phase === phase && target.onlyVerified !== true),
        (limit) => this.#chunks.numbers({ state: 'planned', phase }, limit),
      );
    }
    await this.#become('rotated');
  }

  async #verifyUntilNothingIsLate(): Promise<void> {
    for (let looks = 1; ; ) {
      await this.#verify();
      const sweeps = await this.#chunks.planSweeps();
      if (sweeps === 0) {
        if (!(await this.#findLate())) break;
        if (++looks > mostRounds) throw stillWriting(this.#run);
        continue;
      }
      await this.#runs.record(this.#run.id, 'swept', { round: this.#run.round, sweeps });
      if (this.#run.round >= mostRounds) throw stillWriting(this.#run);
      await this.#rotate();
    }
    await this.#conclude();
  }

  /** One full scan; a scan that was interrupted goes on where it was. */
  async #verify(): Promise<void> {
    const fresh = this.#run.round === 0 || (await this.#chunks.hasUnverifiedSweeps());
    await this.#become('verifying');
    if (fresh) {
      this.#run = await this.#runs.beginRound(this.#run, this.#run.round + 1);
      await this.#chunks.closeSweeps(this.#run.round);
    }
    const { kind, job } = this.#run;
    const plannable = job.targets.filter(
      ({ onlyVerified }) => kind === 'verification' || onlyVerified === true,
    );
    await this.#drive(plannable, (limit) => this.#chunks.unverified(this.#run.round, limit));
  }

  /** Tables and columns that came while the run was under way; true: there are more targets now. */
  async #findLate(): Promise<boolean> {
    const { signal, lock, lookAgain } = this.#with;
    const { job } = this.#run;
    let late: LatePlaces | null;
    try {
      const looked = lookAgain(this.#run);
      const held = lock === null ? looked : Promise.race([looked, lock.lost]);
      late = await unlessStopped(signal, held, 'go on with keyturn resume');
    } catch (error) {
      // Whoever stops the application now may have written since to what was read
      if (error instanceof KeyturnError && error.code === 'late-places')
        await this.#chunks.verifyAgain('all');
      throw error;
    }
    if (late === null) return false;
    this.#run = await this.#runs.update(this.#run, late, this.#with.mac);
    const added = late.job.targets.slice(job.targets.length).map(targetName);
    if (added.length > 0) await this.#runs.record(this.#run.id, 'late-places', { targets: added.join(', ') });
    return added.length > 0;
  }

  async #conclude(): Promise<void> {
    await this.#assertAuthentic();
    await assertProven({
      run: this.#run,
      totals: await this.#figures.totals(),
      chunks: this.#chunks,
      exceptions: this.#exceptions,
      source: this.#source,
    });
    // Before it counts as verified: nobody comes back to a run that does
    if (this.#run.kind === 'rotation')
      await originalsOf(this.#run.job, this.#with.attachments)?.release(this.#run.id);
    const clean = (await this.#exceptions.countOpen()) === 0;
    await this.#become(clean ? 'verified' : 'verified-with-exceptions');
  }

  /** Nothing of what is concluded from was written by anybody else. */
  async #assertAuthentic(): Promise<void> {
    const { checkpoint, mac } = this.#with;
    assertAuthentic(await this.#runs.get(this.#run.id), mac);
    await assertAuthenticChunks(checkpoint, this.#run, mac, true);
  }

  /** Keeps the queue filled with what `pending` tells, planning ahead, until nothing is pending or left to plan. */
  async #drive(plannable: readonly Target[], pending: (limit: number) => Promise<number[]>): Promise<void> {
    const { queue, lock } = this.#with;
    const planner = new Planner(this.#source, this.#chunks, this.#figures, this.#run.options.chunkRows);
    let unplanned = [...plannable];
    this.#generation++;
    let wasHeld = false;
    for (;;) {
      await this.#checkHealth();
      await this.#checkQueue();
      const held = await this.#held();
      // What was offered before must not be taken meanwhile
      if (held && !wasHeld) await queue.drain();
      wasHeld = held;
      let open = await pending(queue.backlog);
      while (!held && open.length < queue.backlog && unplanned.length > 0) {
        unplanned = await planRound(planner, unplanned);
        open = await pending(queue.backlog);
      }
      await this.#reportProgress(false);
      if (open.length === 0 && unplanned.length === 0) return;
      const { id } = this.#run;
      const generation = this.#generation;
      if (!held) await queue.offer(open.map((chunk) => ({ run: id, chunk, generation })));
      const waited = queue.settled(progressMs);
      await (lock === null ? waited : Promise.race([waited, lock.lost]));
    }
  }

  /** True while something holds the run back; throws when it ends the session. */
  async #held(): Promise<boolean> {
    const { signal, pace } = this.#with;
    if (signal.aborted) throw endOf('stopped', `stopped by ${String(signal.reason)}`);
    const requested = await this.#runs.requested(this.#run);
    if (requested === 'pause') throw endOf('stopped', 'paused by keyturn pause');
    if (requested === 'cancel') throw endOf('cancelled', 'cancelled by keyturn cancel');
    const chunkMs = await this.#figures.slowMs();
    const rows = await this.#figures.rowsDone();
    const hold = await pace.check({ now: new Date(), elapsedMs: performance.now(), chunkMs, rows });
    if (hold?.kind === 'end') throw endOf(hold.code ?? 'stopped', hold.reason);
    const unseen = this.#hasFiles ? await this.#handedBack.why() : null;
    const waiting = hold?.reason ?? this.#with.queue.waiting() ?? unseen;
    this.#waitingFor = hold !== null ? 'pace' : waiting !== null ? 'queue' : null;
    if (waiting !== this.#run.waiting) {
      await this.#runs.setWaiting(this.#run, waiting);
      this.#run = { ...this.#run, waiting };
    }
    return hold?.kind === 'wait';
  }

  get #hasFiles(): boolean {
    return this.#run.job.targets.some(({ tree }) => tree !== undefined);
  }

  /** A queue that lost what it held is given everything again. */
  async #checkQueue(): Promise<void> {
    if (performance.now() - this.#askedQueue < askQueueMs) return;
    this.#askedQueue = performance.now();
    if (await this.#with.queue.intact()) return;
    this.#generation++;
    await this.#runs.record(this.#run.id, 'queue-lost', { generation: this.#generation });
  }

  /** What ends the run early: a chunk that nothing mends, or values that do not open. */
  async #checkHealth(): Promise<void> {
    if (this.#run.state === 'rotating') await this.#splitSlow();
    const failed = await this.#chunks.failed();
    if (failed !== undefined) throw chunkFailed(this.#run, failed);
    if (this.#run.state !== 'rotating') return;
    const { onException, maxExceptions } = this.#run.options;
    // A difference is judged by the next scan, which forgets it first; an undecided place harms nobody until somebody decides
    const open = await this.#exceptions.countOpen({ but: ['digest-differs', 'unproven', 'undecided-place'] });
    if (open > (onException === 'stop' ? 0 : maxExceptions)) throw tooManyExceptions(open, this.#run.options);
  }

  /** Halves what took too long, down to one row, which then fails by its name. */
  async #splitSlow(): Promise<void> {
    const slow = await this.#chunks.timedOut();
    const target = this.#run.job.targets.find((each) => targetName(each) === slow?.target);
    if (slow === undefined || target === undefined) return;
    const halves = await halvesOf(this.#source, target, slow);
    if (halves !== null) await this.#chunks.split(slow, halves);
  }

  async #become(state: Run['state'], reason: Run['reason'] = null): Promise<void> {
    if (this.#run.state === state) return;
    this.#run = await this.#runs.become(this.#run, state, reason);
    await this.#runs.record(this.#run.id, state, reason === null ? {} : { code: reason.code });
    await this.#reportProgress(true);
  }

  async #giveUp(error: unknown): Promise<void> {
    const code = error instanceof KeyturnError ? error.code : 'unexpected';
    const text = error instanceof KeyturnError ? error.message : 'an unexpected error';
    if (code === 'run-lock') return;
    await this.#become(stateAfter(code), { code, text }).catch(() => {});
  }

  async #reportProgress(now: boolean): Promise<void> {
    if (!now && performance.now() - this.#lastProgress < progressMs) return;
    this.#lastProgress = performance.now();
    this.#with.progress({
      run: this.#run,
      totals: await this.#figures.totals(),
      exceptions: await this.#exceptions.countOpen(),
      waitingFor: this.#waitingFor,
    });
  }
}
