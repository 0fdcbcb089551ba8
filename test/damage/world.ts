import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../rotation/places.ts';
import { type Ended, keyturn } from '../support/cli.ts';
import { keyturnHere } from '../support/in-process.ts';
import {
  type Cells,
  ciphertexts,
  job,
  keys,
  type Place,
  rowsOf,
  type Side,
  seal,
  type Table,
  tableOf,
  tables,
  truth,
} from './application.ts';
import { type Ground, groundOf } from './ground.ts';
import { lateRow, type Moment, moments, type Way } from './moments.ts';

/** Far longer than any command takes. */
const patienceMs = 60_000;

/** The application's database, a folder with the job and the key files, and the command line. */
export class World {
  readonly engine: Engine;
  readonly folder = mkdtempSync(join(tmpdir(), 'keyturn-damage-home-'));
  readonly #ground: Ground;
  readonly #kept = new Set<Moment>();

  private constructor(ground: Ground) {
    this.#ground = ground;
    this.engine = ground.engine;
  }

  static async open(engine: Engine): Promise<World> {
    return new World(await groundOf(engine));
  }

  async close(): Promise<void> {
    await this.#ground.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get url(): string {
    return this.#ground.url;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  exec(sql: string): Promise<Cells[]> {
    return this.#ground.exec(sql);
  }

  /** Database and folder are as they were at the moment. */
  async bring(moment: Moment): Promise<void> {
    await this.#ensure(moment);
    await this.#ground.bring(moment);
    this.#furnish();
  }

  async #ensure(moment: Moment): Promise<void> {
    if (this.#kept.has(moment)) return;
    const way: Way | null = moments[moment];
    if (way === null) await this.#fill();
    else {
      await this.bring(way.after);
      if (way.late) await this.insert('account', 100, lateRow.plain, 'old');
      if (way.unknownKey) await this.set('account 7 secret', seal('token', 'another application', 'third'));
      if (way.garbled) await this.garble('account 7 secret');
      const { code, signal, stderr } = await this.keyturn(way.words, way.killAt);
      const reached =
        way.killAt === undefined ? code !== null && code !== 1 && code !== 2 : signal === 'SIGKILL';
      if (!reached) throw new Error(`${moment} was not reached: ${code}\n${stderr}`);
    }
    await this.#ground.keep(moment);
    this.#kept.add(moment);
  }

  async #fill(): Promise<void> {
    await this.#ground.bring();
    for (const { name, columns } of tables) {
      await this.exec(`create table ${name} (${columns})`);
      for (const row of rowsOf(name))
        await this.exec(`insert into ${name} values (${row.map(sql).join(', ')})`);
    }
  }

  #furnish(): void {
    for (const name of readdirSync(this.folder)) rmSync(this.file(name), { recursive: true });
    const secret = { mode: 0o600 };
    writeFileSync(this.file('job.yaml'), job);
    writeFileSync(this.file('old.key'), keys.old.master, secret);
    writeFileSync(this.file('new.key'), keys.new.master, secret);
  }

  /** Adds the database, the key files and the consent to the command. It has a process of its own if it is to be killed. */
  keyturn(words: string, killAt?: string): Promise<Ended> {
    const [command = '', ...more] = words.split(' ');
    const said = (name: string): string[] => (more.includes(name) ? [] : [name, defaults[name] ?? '']);
    const options = (takes[command] ?? []).flatMap(said);
    const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
    const database = ['--database', this.url];
    const args = [command, ...database, ...options, ...(command === 'rotate' ? consent : []), ...more];
    return killAt === undefined
      ? keyturnHere(args, this.folder)
      : keyturn(args, { cwd: this.folder, killAfter: patienceMs, killAt });
  }

  async insert(table: 'account', id: number, plain: string, side: Side): Promise<void> {
    const value = seal('token', plain, side);
    await this.exec(`insert into ${table} values (${id}, 'a late one', ${quoted(value)}, null)`);
  }

  /** The whole cell that the place is in. */
  async get(place: Place): Promise<string | null> {
    const { table, where, column } = cellOf(place);
    const [row] = await this.exec(`select ${column} from ${table.name} where ${where}`);
    return (row?.[column] ?? null) as string | null;
  }

  /** Sets the cell, or in a document the ciphertext alone. */
  async set(place: Place, text: string | null): Promise<void> {
    const { table, where, column, leaf } = cellOf(place);
    let value = text;
    if (leaf) value = ((await this.get(place)) ?? '').replace(await this.sealed(place), text ?? '');
    await this.exec(`update ${table.name} set ${column} = ${sql(value)} where ${where}`);
  }

  /** The ciphertext at the place. */
  async sealed(place: Place): Promise<string> {
    const { table, where } = cellOf(place);
    const [row = {}] = await this.exec(`select * from ${table.name} where ${where}`);
    const found = ciphertexts(table, row).get(place);
    if (found === undefined) throw new Error(`nothing stands at ${place}`);
    return found;
  }

  /** Changes one character in the middle of the ciphertext. */
  async garble(place: Place): Promise<void> {
    const text = await this.sealed(place);
    const at = Math.floor(text.length / 2);
    await this.set(place, `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`);
  }

  async swap(a: Place, b: Place): Promise<void> {
    const [first, second] = [await this.sealed(a), await this.sealed(b)];
    // In a document a ciphertext is found by its text
    await this.set(a, 'swapping');
    await this.set(b, first);
    await this.set(a, second);
  }

  /** Encrypts the secrets of these places anew. */
  async reseal(side: Side, ...places: Place[]): Promise<void> {
    for (const place of places)
      await this.set(place, seal(tableOf(place.split(' ')[0] ?? '').kind, truth().get(place) ?? '', side));
  }

  /** Encrypts the ciphertext once more. */
  async wrap(side: Side, place: Place): Promise<void> {
    await this.set(place, seal(tableOf(place.split(' ')[0] ?? '').kind, await this.sealed(place), side));
  }

  async chunk(number: number, change: string): Promise<void> {
    await this.exec(`update keyturn_chunk set ${change} where chunk = ${number}`);
  }

  async run(change: string): Promise<void> {
    await this.exec(`update keyturn_run set ${change}`);
  }

  /** Changes the stored job. */
  // biome-ignore lint/suspicious/noExplicitAny: a stored job as JSON has it, to be damaged in any way
  async job(change: (job: any) => void): Promise<void> {
    const [run] = await this.exec('select job from keyturn_run');
    const stored = JSON.parse(String(run?.job));
    change(stored);
    await this.exec(`update keyturn_run set job = ${quoted(JSON.stringify(stored))}`);
  }

  /** The checkpoint of one moment with the application's rows of another one of the same run. */
  async dataOf(moment: Moment, checkpointOf: Moment): Promise<void> {
    await this.bring(moment);
    const then = await this.#rows();
    await this.bring(checkpointOf);
    for (const [table, rows] of then) {
      await this.exec(`delete from ${table}`);
      for (const row of rows) await this.insertCells(table, row);
    }
  }

  async insertCells(table: string, row: Cells): Promise<void> {
    const names = Object.keys(row).map((name) => `"${name}"`);
    const values = Object.values(row).map((value) =>
      Buffer.isBuffer(value) ? this.bytes(value) : sql(value as string | number | null),
    );
    await this.exec(`insert into ${table} (${names.join(', ')}) values (${values.join(', ')})`);
  }

  bytes(value: Buffer): string {
    const hex = value.toString('hex');
    return this.engine === 'sqlite' ? `x'${hex}'` : `'\\x${hex}'`;
  }

  /** All rows of the application by table and row id. */
  async cells(): Promise<Map<string, Cells>> {
    const all = new Map<string, Cells>();
    for (const [table, rows] of await this.#rows())
      for (const row of rows)
        all.set(
          `${table} ${tableOf(table)
            .id.map((column) => row[column])
            .join(',')}`,
          row,
        );
    return all;
  }

  async #rows(): Promise<Map<string, Cells[]>> {
    const rows = new Map<string, Cells[]>();
    for (const { name } of tables)
      if (await this.has(name)) rows.set(name, await this.exec(`select * from ${name}`));
    return rows;
  }

  async has(table: string): Promise<boolean> {
    const [found] = await this.exec(
      this.engine === 'sqlite'
        ? `select name from sqlite_schema where name = '${table}'`
        : `select to_regclass('${table}') as name`,
    );
    return found?.name != null;
  }
}

const defaults: Readonly<Record<string, string>> = {
  '--job': 'job.yaml',
  '--current-key-file': 'old.key',
  '--new-key-file': 'new.key',
  '--workers': '1',
  '--chunk-rows': '5',
};

const takes: Readonly<Record<string, readonly string[]>> = {
  rotate: ['--job', '--current-key-file', '--new-key-file', '--workers', '--chunk-rows'],
  resume: ['--current-key-file', '--new-key-file', '--workers'],
};

function sql(value: string | number | null): string {
  return value === null ? 'null' : typeof value === 'number' ? String(value) : quoted(value);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function cellOf(place: Place): { table: Table; where: string; column: string; leaf: boolean } {
  const [name = '', id = '', path = ''] = place.split(' ');
  const table = tableOf(name);
  const where = id.split(',').map((part, i) => `${table.id[i]} = ${quoted(part)}`);
  const [column = ''] = path.split('.');
  return { table, where: where.join(' and '), column, leaf: column !== path };
}
