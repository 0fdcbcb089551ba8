import { assertAuthenticChunks } from '../checkpoint/audit.ts';
import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { ExceptionTable } from '../checkpoint/exception-table.ts';
import { ChunkFigures } from '../checkpoint/figures.ts';
import { HandedBack } from '../checkpoint/handed-back.ts';
import { assertAuthentic, isWriting, type LatePlaces, type Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { Sweeps } from '../checkpoint/sweeps.ts';
import { originalsOf } from '../chunk/files/file-target.ts';
import { RowSource } from '../chunk/row-source.ts';
import { KeyturnError } from '../error.ts';
import { type Target, targetName } from '../job/job.ts';
import { within } from '../within.ts';
import { assertProven } from './assert-proven.ts';
import type { Coordination } from './coordination.ts';
import { assertHealthy } from './health.ts';
import { Planner, planRound, splitSlow } from './planner.ts';
import type { Progress } from './progress.ts';
import { assertNotAsked, endOf, foreseen, stateAfter, stillWriting } from './setback.ts';
import { Stall } from './stall.ts';
import { unlessStopped } from './unless-stopped.ts';

/** Each scan that finds late rows is repeated after they are swept. More rounds mean that something still writes. */
const mostRounds = 10;
const progressMs = 500;
const askQueueMs = 1_000;
/** Chunks in flight take about a second, and up to the limit of a statement. */
const drainMs = 90_000;
const giveUpMs = 10_000;
/** A statement of the coordinator's own that takes longer is not waited for when the run is asked to stop. */
const heedMs = 800;

/** Plans and paces one run, from its present state to its end. */
export class Coordinator {
  readonly #with: Coordination;
  readonly #runs: RunTable;
  readonly #chunks: ChunkTable;
  readonly #sweeps: Sweeps;
  readonly #figures: ChunkFigures;
  readonly #exceptions: ExceptionTable;
  readonly #source: RowSource;
  readonly #handedBack: HandedBack;
  #run: Run;
  #lastProgress = 0;
  /** Part of every hint. Changes with every coordinator, stage and loss of the queue, so that no hint looks like an old one. */
  #generation: number;
  #askedQueue = 0;
  readonly #stall = new Stall();
  #ended = false;
  #waitingFor: Progress['waitingFor'] = null;

  constructor(coordination: Coordination, run: Run) {
    this.#with = coordination;
    this.#run = run;
    this.#generation = run.fence * 1000;
    this.#runs = new RunTable(coordination.checkpoint);
    this.#chunks = new ChunkTable(coordination.checkpoint, run.id, coordination.mac);
    this.#sweeps = new Sweeps(coordination.checkpoint, run.id, coordination.mac);
    this.#figures = new ChunkFigures(coordination.checkpoint, run.id);
    this.#handedBack = new HandedBack(coordination.checkpoint, run.id);
    this.#source = new RowSource(coordination.database, coordination.attachments);
    this.#exceptions = new ExceptionTable(coordination.checkpoint, run.id);
  }

  /**
   * Finishes the run, which is `planned`, `rotating`, `rotated` or `verifying`. If it cannot be finished, the run is
   * paused or failed, can be resumed, and the reason is thrown.
   */
  async finish(): Promise<Run> {
    const { lock, database, queue, signal, inFlight } = this.#with;
    try {
      const work = unlessStopped(signal, this.#work(), 'continue with keyturn resume', heedMs);
      // A statement that no answer comes to must not hold the run: the lock's own connection notices that first
      work.catch(() => undefined);
      return await (lock === null ? work : Promise.race([work, lock.lost]));
    } catch (thrown) {
      this.#ended = true;
      const error = foreseen(database, thrown);
      await inFlight.during(within(drainMs, queue.drain()));
      await within(giveUpMs, this.#giveUp(error));
      throw error;
    }
  }

  async #work(): Promise<Run> {
    if (this.#run.kind !== 'verification') await this.#rotate();
    if (this.#run.kind === 'dry-run') return this.#run;
    await this.#verifyUntilNothingIsLate();
    await this.#reportProgress(true);
    return this.#run;
  }

  async #rotate(): Promise<void> {
    await this.#become('rotating');
    const { job } = this.#run;
    // One more than the job has: tables that are only verified come after the last phase, and so do their sweeps
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
      const sweeps = await this.#sweeps.plan();
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

  /** One full scan; an interrupted scan continues. */
  async #verify(): Promise<void> {
    const fresh = this.#run.round === 0 || (await this.#sweeps.hasUnverified());
    await this.#become('verifying');
    if (fresh) {
      this.#run = await this.#runs.beginRound(this.#run, this.#run.round + 1);
      await this.#sweeps.close(this.#run.round);
    }
    const { kind, job } = this.#run;
    const plannable = job.targets.filter(
      ({ onlyVerified }) => kind === 'verification' || onlyVerified === true,
    );
    await this.#drive(plannable, (limit) => this.#chunks.unverified(this.#run.round, limit));
  }

  /** Looks for tables and columns that were added during the run; true: there are new targets. */
  async #findLate(): Promise<boolean> {
    const { signal, lock, lookAgain } = this.#with;
    const { job } = this.#run;
    let late: LatePlaces | null;
    try {
      const looked = lookAgain(this.#run);
      const held = lock === null ? looked : Promise.race([looked, lock.lost]);
      late = await unlessStopped(signal, held, 'continue with keyturn resume');
    } catch (error) {
      // The application that still runs may have written to rows that were read already
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
    const { checkpoint, mac } = this.#with;
    assertAuthentic(await this.#runs.get(this.#run.id), mac);
    await assertAuthenticChunks(checkpoint, this.#run, mac, true);
    await assertProven({
      run: this.#run,
      totals: await this.#figures.totals(),
      chunks: this.#chunks,
      exceptions: this.#exceptions,
      source: this.#source,
    });
    // Before the run is verified: nothing is done for it afterwards
    if (isWriting(this.#run.kind))
      await originalsOf(this.#run.job, this.#with.attachments)?.release(this.#run.id);
    const clean = (await this.#exceptions.countOpen()) === 0;
    await this.#become(clean ? 'verified' : 'verified-with-exceptions');
  }

  /** Plans ahead and keeps the queue filled with the chunks that `pending` returns, until none is left. */
  async #drive(plannable: readonly Target[], pending: (limit: number) => Promise<number[]>): Promise<void> {
    const { queue, lock } = this.#with;
    const planner = new Planner(
      this.#source,
      this.#chunks,
      this.#figures,
      this.#run.options.chunkRows,
      this.#with.chunkBytes,
    );
    let unplanned = [...plannable];
    this.#generation++;
    let wasHeld = false;
    for (;;) {
      // Work that a lost lock left behind plans nothing beside the next coordinator
      if (this.#ended) throw new Error('this coordinator has ended');
      await this.#checkHealth();
      await this.#checkQueue();
      const held = await this.#held();
      // Chunks that were offered before must not be taken now
      if (held && !wasHeld) await queue.drain();
      wasHeld = held;
      let open = await pending(queue.backlog);
      while (!held && !this.#ended && open.length < queue.backlog && unplanned.length > 0) {
        unplanned = await planRound(planner, unplanned);
        open = await pending(queue.backlog);
      }
      await this.#reportProgress(false);
      if (open.length === 0 && unplanned.length === 0 && (await this.#chunks.failed()) === undefined) return;
      const { id } = this.#run;
      const generation = this.#generation;
      if (held) this.#stall.rest();
      else {
        this.#stall.offered(open);
        await queue.offer(open.map((chunk) => ({ run: id, chunk, generation })));
      }
      const waited = queue.settled(progressMs);
      await (lock === null ? waited : Promise.race([waited, lock.lost]));
    }
  }

  /** True while the run has to wait; throws to end the session. */
  async #held(): Promise<boolean> {
    const { signal, pace } = this.#with;
    assertNotAsked(signal, await this.#runs.requested(this.#run));
    const chunkMs = await this.#figures.slowMs();
    const rows = await this.#figures.rowsDone();
    const hold = await pace.check({ now: new Date(), elapsedMs: performance.now(), chunkMs, rows });
    if (hold?.kind === 'end') throw endOf(hold.code ?? 'stopped', hold.reason);
    const hasFiles = this.#run.job.targets.some(({ tree }) => tree !== undefined);
    const unseen = hasFiles ? await this.#handedBack.why() : null;
    const stalled = await this.#stall.reason(this.#chunks);
    const waiting = hold?.reason ?? this.#with.queue.waiting() ?? unseen ?? stalled;
    this.#waitingFor = hold !== null ? 'pace' : waiting !== null ? 'queue' : null;
    if (waiting !== this.#run.waiting) {
      await this.#runs.setWaiting(this.#run, waiting);
      this.#run = { ...this.#run, waiting };
    }
    return hold?.kind === 'wait';
  }

  /** A queue that lost its jobs is filled again. */
  async #checkQueue(): Promise<void> {
    if (performance.now() - this.#askedQueue < askQueueMs) return;
    this.#askedQueue = performance.now();
    if (await this.#with.queue.intact()) return;
    this.#generation++;
    await this.#runs.record(this.#run.id, 'queue-lost', { generation: this.#generation });
  }

  /** Ends the run early if a chunk failed for good, or if there are too many exceptions. */
  async #checkHealth(): Promise<void> {
    const [run, chunks, exceptions] = [this.#run, this.#chunks, this.#exceptions];
    if (run.state === 'rotating') await splitSlow(this.#source, chunks, run.job);
    const failed = await chunks.failed();
    if (failed?.error?.code === 'mixed-keys') await this.#tryAllKeys(failed);
    else await assertHealthy(run, failed, exceptions);
  }

  /**
   * The chunk is planned again; it and all that follow try every key on every value. More chunks may fail so: their
   * workers read the run before that.
   */
  async #tryAllKeys({ target }: Chunk): Promise<void> {
    if (this.#run.options.tryAllKeys !== true) {
      const options = { ...this.#run.options, tryAllKeys: true };
      this.#run = await this.#runs.update(this.#run, { options }, this.#with.mac);
      await this.#runs.record(this.#run.id, 'mixed-keys', { target });
    }
    await this.#chunks.replan();
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
