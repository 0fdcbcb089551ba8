import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { consent, type Ended, keyturn, type Started, start } from '../commands/keyturn.ts';
import { openDeploymentKey, openLegacy } from '../support/n8n/decrypt.ts';
import { expectMany, type Many, manyPlain } from '../support/n8n/many.ts';
import { openStore, type Store, withStore } from '../support/n8n/store.ts';
import { deploymentKeyRows } from '../support/n8n/truth.ts';
import {
  type Engine,
  type Ground,
  type Hands,
  postgres,
  type Queue,
  redis,
  sameDatabase,
  sqlite,
  threads,
} from './grounds.ts';

/** Where a storm rages; another engine joins by a line. */
export interface Stage {
  readonly engine: Engine;
  readonly queue: Queue;
}

export const stages = {
  'PostgreSQL, queue in Redis': { engine: postgres, queue: redis },
  'PostgreSQL, queue in the database itself': { engine: postgres, queue: sameDatabase },
  'SQLite, queue in Redis': { engine: sqlite, queue: redis },
  'SQLite, worker threads': { engine: sqlite, queue: threads },
} satisfies Record<string, Stage>;

export interface StormOptions {
  readonly faults: number;
  readonly credentials: number;
  readonly chunkRows: number;
  readonly seed: number;
  /** Stops of a process for longer than its locks in the queue last. */
  readonly longStops: boolean;
  /** Faults hit the preparation too; else only once the run is there. */
  readonly fromTheStart: boolean;
}

export interface Passed {
  readonly runs: number;
  /** How many of each kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** What is wrong; none: as if nothing had happened. */
  readonly problems: readonly string[];
  /** Ends of processes that called a lost connection unexpected: a supervisor can do with them, people should not. */
  readonly untidy: readonly string[];
}

/** Once more the same faults in the same order; what they meet is up to the machine. */
export function seedOf(otherwise = Math.floor(Math.random() * 2 ** 31)): number {
  return Number(process.env.KEYTURN_FAULT_SEED ?? otherwise);
}

/** Runs one after the other, each to another key, until so many faults were injected. */
export async function storm(stage: Stage, options: StormOptions): Promise<Passed> {
  const many = { credentials: options.credentials, instanceKey: 'the first key of a storm' };
  const ground = await stage.engine(many);
  const hands = await stage.queue(ground);
  const random = randomFrom(options.seed);
  const faults: Record<string, number> = {};
  const problems: string[] = [];
  const untidy: string[] = [];
  let left = options.faults;
  let runs = 0;
  let bag: string[] = [];
  try {
    let key = many.instanceKey;
    while (left > 0 && problems.length === 0) {
      const run = new Run(ground, hands, options, many, { key, number: ++runs, random });
      try {
        await run.start();
        while (left > 0 && (await run.further(random))) {
          if (bag.length === 0) bag = shuffled(Object.keys(run.kinds), random);
          const kind = bag.pop() as string;
          if (!(await run.kinds[kind]?.())) continue;
          faults[kind] = (faults[kind] ?? 0) + 1;
          left--;
        }
        await run.over();
        problems.push(...(await run.problems()));
        untidy.push(...run.untidy());
        key = run.newKey;
      } finally {
        await run.close();
      }
    }
  } finally {
    await hands.close();
    await ground.close();
  }
  return { runs, faults, problems, untidy };
}

type Random = () => number;

/** Mulberry32. */
function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Without any progress for so long something is stuck. */
const stuckMs = 120_000;
/** Faults hit a run that stands still too. */
const impatientMs = 3_000;
/** BullMQ's lock lasts 20 s. */
const beyondLockMs = 24_000;
const endMs = 60_000;

/** Of the driver, the pool and the server. */
const lost =
  /error: unexpected: .*(Connection terminated|terminating connection|Client has encountered|ECONNRESET|ECONNREFUSED|not queryable)/s;

/** Why a process may end by itself while everything around it breaks: a supervisor starts it again. */
const mayEnd: Readonly<Record<string, RegExp>> = {
  1: lost,
  2: /unreachable|out of reach|not reach|does not answer|cannot connect|ECONN|terminat/i,
  3: /go on with|wedged/,
  4: /run lock|another keyturn process/,
};

/** A process that is started again whenever it ends before its time. */
class Kept {
  readonly name: string;
  readonly exits: Ended[] = [];
  readonly done: Promise<void>;
  readonly #next: () => Promise<readonly string[] | null>;
  readonly #surroundings: { readonly cwd: string; readonly env: Record<string, string> };
  #now: Started | null = null;
  #asked = false;

  constructor(
    name: string,
    surroundings: { readonly cwd: string; readonly env: Record<string, string> },
    next: () => Promise<readonly string[] | null>,
  ) {
    this.name = name;
    this.#surroundings = surroundings;
    this.#next = next;
    this.done = this.#keep();
    this.done.catch(() => undefined);
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#now?.child.exitCode === null && this.#now.child.kill(signal);
  }

  /** SIGTERM, and not again. */
  async end(): Promise<void> {
    this.#asked = true;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await this.done;
  }

  async kill(): Promise<void> {
    this.#asked = true;
    this.signal('SIGKILL');
    await this.done;
  }

  told(): string {
    return `${this.name}: ${(this.#now?.told() ?? '').slice(-1500)}\n${this.exits
      .map(({ code, signal, stderr }) => `  ended ${signal ?? code}: ${stderr.slice(-300)}`)
      .slice(-5)
      .join('\n')}`;
  }

  async #keep(): Promise<void> {
    while (!this.#asked) {
      const args = await this.#next();
      if (args === null || this.#asked) return;
      this.#now = start(args, this.#surroundings);
      this.#now.child.stdin.end();
      this.exits.push(await this.#now.ended);
      this.#now = null;
    }
  }
}

/** One rotation, the processes that do it, and what is done to them. */
class Run {
  /** False: there was nothing to hit. */
  readonly kinds: Readonly<Record<string, () => Promise<boolean>>>;
  readonly #ground: Ground;
  readonly #hands: Hands;
  readonly #options: StormOptions;
  readonly #many: Many;
  readonly #random: Random;
  readonly #number: number;
  readonly #oldKey: string;
  readonly #path = mkdtempSync(join(tmpdir(), 'keyturn-storm-'));
  readonly #frozen = new Set<Promise<void>>();
  readonly #calm = new AbortController();
  #store: Store | null = null;
  #coordinator: Kept | null = null;
  #workers: Kept[] = [];
  #logs = 0;

  constructor(
    ground: Ground,
    hands: Hands,
    options: StormOptions,
    many: Many,
    { key, number, random }: { key: string; number: number; random: Random },
  ) {
    this.#ground = ground;
    this.#hands = hands;
    this.#options = options;
    this.#many = many;
    this.#oldKey = key;
    this.#number = number;
    this.#random = random;
    this.kinds = this.#kinds();
  }

  get newKey(): string {
    return readFileSync(join(this.#path, 'new.key'), 'utf8').trim();
  }

  async start(): Promise<void> {
    writeFileSync(join(this.#path, 'old.key'), this.#oldKey, { mode: 0o600 });
    mkdirSync(join(this.#path, 'tmp'));
    this.#store = await openStore(this.#ground.place);
    const around = { cwd: this.#path, env: { TMPDIR: join(this.#path, 'tmp') } };
    const { url } = this.#hands;
    const queue = url === null ? [] : ['--queue', url];
    const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
    const place = ['--database', this.#ground.url, ...keys, ...queue];
    const log = () => ['--log-file', `${++this.#logs}.log`, '--log-level', 'debug'];
    const pace = ['--chunk-rows', String(this.#options.chunkRows)];
    const here = url === null ? ['--workers', '2'] : [];
    this.#coordinator = new Kept('coordinator', around, async () => {
      const state = await this.#state();
      if (state === 'verified') return null;
      return state === null
        ? ['rotate', '--job', 'n8n', ...place, ...consent, ...pace, ...here, ...log()]
        : ['resume', ...place, ...here, ...log()];
    });
    if (url === null) return;
    this.#workers = [1, 2].map(
      (number) =>
        new Kept(`worker ${number}`, around, async () => [
          'worker',
          ...place,
          '--concurrency',
          '1',
          ...log(),
        ]),
    );
  }

  /** Resolves a few chunks further, or when nothing has moved for a while; false once the run is over. */
  async further(random: Random): Promise<boolean> {
    const chunks = (this.#many.credentials / this.#options.chunkRows) * 2;
    const enough = (await this.#progress()).steps + 1 + random() * Math.min(40, chunks / 12);
    let giveUpAt = performance.now() + impatientMs;
    for (;;) {
      this.#assertExits();
      if (await this.#ended()) return false;
      if (!this.#options.fromTheStart && (await this.#state()) === null)
        giveUpAt = performance.now() + impatientMs;
      if ((await this.#progress()).steps >= enough || performance.now() > giveUpAt) return true;
      await sleep(15);
    }
  }

  /** No more faults: resolves when the run is over and its workers have stopped. */
  async over(): Promise<void> {
    let last = '';
    let since = performance.now();
    while (!(await this.#ended())) {
      this.#assertExits();
      const now = JSON.stringify(await this.#progress());
      if (now !== last) since = performance.now();
      last = now;
      if (performance.now() - since > stuckMs)
        throw new Error(`run ${this.#number} stands still: ${last}\n${this.#told()}`);
      await sleep(50);
    }
    this.#calm.abort();
    await Promise.all(this.#frozen);
    const stopped = Promise.all(this.#workers.map((worker) => worker.end()));
    const late = sleep(endMs, 'late', { ref: false });
    if ((await Promise.race([stopped, late])) === 'late')
      throw new Error(`workers do not stop:\n${this.#told()}`);
  }

  async problems(): Promise<string[]> {
    const { place } = this.#ground;
    const { newKey } = this;
    const problems = [
      ...(await expectMany(place, newKey, this.#many)),
      ...(await this.#underTheOldKey()),
      ...(await this.#chunks()),
      ...(await this.#tallies()),
      ...this.#exits(),
      ...this.#processes(),
      ...readdirSync(join(this.#path, 'tmp')).map((name) => `temporary file left: ${name}`),
    ];
    await this.#store?.close();
    this.#store = null;
    const giveUpAt = performance.now() + 20_000;
    while ((await this.#ground.connections()) > 0 && performance.now() < giveUpAt) await sleep(50);
    const connections = await this.#ground.connections();
    if (connections > 0) problems.push(`${connections} connections left`);
    return problems.map((problem) => `run ${this.#number}: ${problem}`);
  }

  untidy(): string[] {
    return this.#all().flatMap(({ name, exits }) =>
      exits
        .filter(({ code }) => code === 1)
        .map(({ stderr }) => `${name}: ${/error: unexpected.*/.exec(stderr)?.[0].slice(0, 300)}`),
    );
  }

  async close(): Promise<void> {
    this.#calm.abort();
    await Promise.allSettled(this.#all().map((process) => process.kill()));
    await this.#store?.close();
    rmSync(this.#path, { recursive: true, force: true });
  }

  #kinds(): Record<string, () => Promise<boolean>> {
    const { redis, proxy: toQueue, direct } = this.#hands;
    const { proxy: toDatabase } = this.#ground;
    const hasWorkers = direct !== null;
    const pick = (): Kept | null => this.#workers[Math.floor(this.#random() * 2)] ?? null;
    const anyone = (): Kept | null => (hasWorkers && this.#random() < 0.6 ? pick() : this.#coordinator);
    const cut = async (proxy: typeof toDatabase, bytes: number): Promise<boolean> =>
      this.#cut(proxy, (it) => it.cutAfter(1 + Math.floor(this.#random() * bytes)));
    const down = () => sleep(this.#random() * 1_500);
    return {
      'coordinator killed': async () => this.#coordinator?.signal('SIGKILL') ?? false,
      'process stopped': async () => this.#freeze(anyone(), 200 + this.#random() * 2_000),
      'database disturbed': async () => {
        await this.#ground.disturb();
        return true;
      },
      ...(hasWorkers && {
        'worker killed': async () => pick()?.signal('SIGKILL') ?? false,
        'hints repeated and out of order': async () => this.#hint(direct),
      }),
      ...(hasWorkers &&
        this.#options.longStops && {
          'worker stopped beyond its lock': async () => this.#freeze(pick(), beyondLockMs),
        }),
      ...(toDatabase !== null && {
        'connection to the database cut': () => cut(toDatabase, 20_000),
        'answer to a commit lost': () => this.#cut(toDatabase, (it) => it.loseCommit()),
      }),
      ...(toQueue !== null && { 'connection to the queue cut': () => cut(toQueue, 3_000) }),
      ...(redis !== null && {
        'Redis restarted with its data': async () => {
          await redis.kill();
          await down();
          await redis.restart();
          return true;
        },
        'Redis restarted without its data': async () => {
          await redis.cli('flushall');
          await redis.kill();
          await down();
          await redis.restart();
          return true;
        },
        'Redis flushed': async () => {
          await redis.cli('flushall');
          return true;
        },
      }),
    };
  }

  async #cut(proxy: Ground['proxy'], arm: (proxy: NonNullable<Ground['proxy']>) => Promise<void>) {
    if (proxy === null) return false;
    const waited = sleep(5_000, false, { ref: false });
    const hit = await Promise.race([arm(proxy).then(() => true), waited]);
    if (!hit) proxy.disarm();
    return hit;
  }

  /** Meanwhile the storm goes on. */
  #freeze(process: Kept | null, ms: number): boolean {
    if (process === null || !process.signal('SIGSTOP')) return false;
    const thawed = sleep(ms, undefined, { signal: this.#calm.signal })
      .catch(() => undefined)
      .then(() => {
        process.signal('SIGCONT');
        this.#frozen.delete(thawed);
      });
    this.#frozen.add(thawed);
    return true;
  }

  /** Of chunks that are done, in hand or waiting, under generations that were, are and will be. */
  async #hint(url: string): Promise<boolean> {
    const rows = await this.#rows(
      `select run, chunk, generation from keyturn_chunk where run in (${newest}) order by chunk desc`,
    );
    if (rows.length === 0) return false;
    const queue = await BullmqQueue.open(url).catch(() => null);
    if (queue === null) return false;
    const hints = shuffled(rows, this.#random)
      .slice(0, 30)
      .map(({ run, chunk, generation }) => ({
        run: String(run),
        chunk: Number(chunk),
        generation: Number(generation) + Math.floor(this.#random() * 4) - 1,
      }));
    await queue.offer(hints);
    await queue.close();
    return true;
  }

  async #rows(sql: string): Promise<Record<string, unknown>[]> {
    try {
      return (await this.#store?.rows(sql)) ?? [];
    } catch (error) {
      // Before the first run keyturn's tables are not there
      if (/no such table|does not exist/.test(String((error as Error).message))) return [];
      throw error;
    }
  }

  /** Of this rotation; null: it is not there yet. */
  async #state(): Promise<string | null> {
    const runs = await this.#rows('select state from keyturn_run order by created_at');
    return runs.length < this.#number ? null : String(runs.at(-1)?.state);
  }

  async #ended(): Promise<boolean> {
    const over = await Promise.race([this.#coordinator?.done.then(() => true), sleep(0, false)]);
    return over === true;
  }

  async #progress(): Promise<{ steps: number; state: unknown; waiting: unknown }> {
    const [run] = await this.#rows(`select state, waiting, round from keyturn_run where id in (${newest})`);
    if (run === undefined || (await this.#state()) === null) return { steps: 0, state: null, waiting: null };
    const [chunks] = await this.#rows(
      `select sum(case when state = 'planned' then 0 else 1 end) as rotated, sum(verified_round) as verified
       from keyturn_chunk where run in (${newest})`,
    );
    const steps = Number(chunks?.rotated ?? 0) + Number(chunks?.verified ?? 0);
    return { steps, state: run.state, waiting: run.waiting };
  }

  async #underTheOldKey(): Promise<string[]> {
    const { credentials, bytes } = this.#many;
    const found: string[] = [];
    await withStore(this.#ground.place, async (store) => {
      for (const { id, data } of await store.rows('select id, data from credentials_entity')) {
        const plain = manyPlain(Number(String(id).slice(4)), bytes);
        if (opens(() => openLegacy(String(data), this.#oldKey).toString('utf8') === plain))
          found.push(`${id} is under the old key`);
      }
      const rows = await deploymentKeyRows(store);
      for (const row of rows.filter(({ type }) => type !== 'instance.id'))
        if (opens(() => openDeploymentKey(row, this.#oldKey) !== ''))
          found.push(`deployment_key ${row.id} is under the old key`);
      const [ldap] = await store.rows("select value from settings where key = 'features.ldap'");
      const { bindingAdminPassword } = JSON.parse(String(ldap?.value));
      if (
        !opens(() => openLegacy(bindingAdminPassword, this.newKey).toString('utf8') === 'many-ldap-password')
      )
        found.push('the LDAP password is not under the new key');
      const [all] = await store.rows('select count(*) as n from credentials_entity');
      if (Number(all?.n) !== credentials) found.push(`${all?.n} credentials`);
    });
    return found.slice(0, 20);
  }

  /** A claim that commits counts as an attempt, and so does a failure that was told: nothing else may. */
  async #chunks(): Promise<string[]> {
    const problems: string[] = [];
    const rows = await this.#rows(
      `select chunk, state, attempts, row_count, v_rows, v_proven from keyturn_chunk where run in (${newest})`,
    );
    const told = this.#logged();
    for (const { chunk, state, attempts, ...counts } of rows) {
      if (state === 'split') continue;
      const { rotated = 0, failed = 0 } = told.get(Number(chunk)) ?? {};
      if (state !== 'verified') problems.push(`chunk ${chunk} is ${state}`);
      if (Number(attempts) < 1 || Number(attempts) > 1 + failed)
        problems.push(`chunk ${chunk} has ${attempts} attempts, ${failed} of them failed`);
      if (rotated > 1) problems.push(`chunk ${chunk} was rotated ${rotated} times`);
      if (counts.row_count !== counts.v_rows || counts.row_count !== counts.v_proven)
        problems.push(`chunk ${chunk} does not reconcile: ${JSON.stringify(counts)}`);
    }
    return problems.slice(0, 20);
  }

  /** What the logs of all processes tell of each chunk; the last line of a killed one may be missing. */
  #logged(): Map<number, { rotated: number; failed: number }> {
    const told = new Map<number, { rotated: number; failed: number }>();
    for (const name of readdirSync(this.#path).filter((file) => file.endsWith('.log'))) {
      for (const line of readFileSync(join(this.#path, name), 'utf8').split('\n')) {
        const [, chunk, what] = /"chunk":(\d+).*"msg":"chunk (rotated|failed)"/.exec(line) ?? [];
        if (chunk === undefined) continue;
        const of = told.get(Number(chunk)) ?? { rotated: 0, failed: 0 };
        of[what as 'rotated' | 'failed']++;
        told.set(Number(chunk), of);
      }
    }
    return told;
  }

  async #tallies(): Promise<string[]> {
    const { code, stdout, stderr } = await keyturn(
      ['status', '--json', '--database', this.#ground.place.url],
      {
        cwd: this.#path,
      },
    );
    if (code !== 0) return [`status ended with ${code}: ${stderr}`];
    const { report } = JSON.parse(stdout);
    const { valuesAddUp, rowsAccountedFor } = report.totals.reconciliation;
    const problems: string[] = [];
    if (!valuesAddUp || rowsAccountedFor === false) problems.push('the tallies do not reconcile');
    if (report.verdict.result !== 'verified') problems.push(`the verdict is ${report.verdict.result}`);
    const { rows, exceptions } = report.totals.ranges.tally;
    // Beside the credentials: a setting and five rows of deployment_key, not all of them looked at
    if (rows < this.#many.credentials || rows > this.#many.credentials + 6 || exceptions !== 0)
      problems.push(`${rows} rows, ${exceptions} exceptions`);
    return problems;
  }

  #all(): Kept[] {
    return this.#coordinator === null ? [] : [this.#coordinator, ...this.#workers];
  }

  /** A process that refuses for good would be started again for ever. */
  #assertExits(): void {
    const problems = this.#exits();
    if (problems.length > 0) throw new Error(`run ${this.#number}: ${problems.join('\n')}`);
  }

  #exits(): string[] {
    return this.#all().flatMap(({ name, exits }) =>
      exits
        .filter(({ code, signal, stderr }) => {
          if (signal === 'SIGKILL' || code === 0) return false;
          return !mayEnd[String(code)]?.test(stderr);
        })
        .map(({ code, signal, stderr }) => `${name} ended with ${code ?? signal}: ${stderr.slice(-600)}`),
    );
  }

  /** Their working folder is this run's alone. */
  #processes(): string[] {
    return readdirSync('/proc').flatMap((pid) => {
      try {
        const words = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/environ`, 'utf8') : '';
        return words.includes(this.#path) ? [`process ${pid} is left`] : [];
      } catch {
        return [];
      }
    });
  }

  #told(): string {
    return this.#all()
      .map((process) => process.told())
      .join('\n');
  }
}

const newest = 'select id from keyturn_run where created_at = (select max(created_at) from keyturn_run)';

function opens(work: () => boolean): boolean {
  try {
    return work();
  } catch {
    return false;
  }
}
