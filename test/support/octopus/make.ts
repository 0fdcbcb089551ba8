import { Random } from '../random.ts';
import { certificates } from './certificate.ts';
import { creation, type Dialect, type Exec } from './dialect.ts';
import { type Cell, House } from './house.ts';
import { type ServerCertificate, settle } from './residents.ts';
import { Sealer } from './sealer.ts';
import { deploymentProcess, variableSet } from './snapshots.ts';
import { type Table, tables } from './tables.ts';
import { traps } from './traps.ts';
import type { Truth } from './truth.ts';

export interface Wish {
  /** The master key, 16 or 32 bytes. */
  readonly key: Buffer;
  /** About how many secrets; 500 at the least, default 2,000. */
  readonly secrets?: number;
  /** Default 12; the first two have most of the variables. */
  readonly projects?: number;
  readonly seed?: number | string;
  /** Traps (traps.ts) to leave out. */
  readonly without?: readonly string[];
  /** Keys of later rotations: no look-alike decrypts with one of them by chance. */
  readonly nextKeys?: readonly Buffer[];
  /** Where the server's certificate is, and how; default: bytes, in Configuration. */
  readonly certificate?: Partial<ServerCertificate>;
}

/** Fills an empty database with Octopus' tables. The seed decides everything but the certificates. */
export async function makeOctopus(exec: Exec, dialect: Dialect, wish: Wish): Promise<Truth> {
  const without = new Set(wish.without);
  for (const name of without) if (!(name in traps)) throw new Error(`there is no trap '${name}'`);
  const house = new House(new Sealer(wish.key, new Random(wish.seed ?? 1), wish.nextKeys ?? []));
  const certificate = { table: 'Configuration', plaintext: 'bytes', ...wish.certificate } as const;
  settle(house, certificate, wish.projects ?? 12);
  for (const [name, trap] of Object.entries(traps)) if (!without.has(name)) trap(house, name);
  for (let release = 1; house.secrets < (wish.secrets ?? 2_000); release++) {
    const project = 3 + (release % ((wish.projects ?? 12) - 2));
    variableSet(house, project, { variables: 8 + (release % 9), release });
    if (release % 3 === 0) deploymentProcess(house, project, release);
  }
  for (const table of tables) {
    for (const statement of creation(table, dialect)) await exec(statement);
    await insert(exec, dialect, table, house.rows.get(table.name) ?? []);
  }
  return {
    key: wish.key,
    tables,
    values: house.values,
    rows: new Map([...house.rows].map(([name, rows]) => [name, rows.length])),
    certificate: { ...certificates().server, table: certificate.table, id: 'certificate-global' },
  };
}

/** Far below the size of a packet in every engine. */
const maxBytes = 1 << 20;

async function insert(
  exec: Exec,
  dialect: Dialect,
  table: Table,
  rows: readonly Record<string, Cell>[],
): Promise<void> {
  const columns = Object.keys(table.columns).filter((name) => table.columns[name] !== 'version');
  const into = `insert into ${dialect.quote(table.name)} (${columns.map(dialect.quote).join(', ')}) values `;
  let tuples: string[] = [];
  let values: unknown[] = [];
  let bytes = 0;
  const flush = async () => {
    if (tuples.length > 0) await exec(into + tuples.join(', '), values);
    tuples = [];
    values = [];
    bytes = 0;
  };
  for (const row of rows) {
    if (values.length + columns.length > dialect.maxParameters || tuples.length === 900 || bytes > maxBytes)
      await flush();
    const tuple = columns.map((name) => {
      const cell = row[name] ?? null;
      // As a literal, because a parameter for bytes would need a type.
      if (cell === null) return 'null';
      values.push(typeof cell === 'boolean' ? dialect.bit(cell) : cell);
      bytes += Buffer.isBuffer(cell) || typeof cell === 'string' ? cell.length : 8;
      return dialect.parameter(values.length);
    });
    tuples.push(`(${tuple.join(', ')})`);
  }
  await flush();
}
