import { expect } from '@jest/globals';
import type { Engine } from '../rotation/places.ts';
import type { Ended } from '../support/cli.ts';
import {
  type Cells,
  ciphertexts,
  keys,
  open,
  type Place,
  rowsPerTable,
  tableOf,
  truth,
} from './application.ts';
import type { Moment } from './moments.ts';
import type { World } from './world.ts';

/** Damage to the data, the checkpoint or a key file, and how an operator learns of it. */
export interface Damage {
  readonly name: string;
  readonly at: Moment;
  readonly done: (world: World) => Promise<unknown>;
  /** The commands that follow, and what each must show. */
  readonly seen: readonly Step[];
  /** Secrets that differ from the application's own at the end; null: any. */
  readonly truth?: Readonly<Record<Place, string | null>>;
  /** A trigger writes too. */
  readonly alsoWrites?: true;
  /** Default: both. */
  readonly only?: Engine;
  /** The engine matters: it runs on PostgreSQL with every test run, too. */
  readonly byEngine?: true;
  /** Close to another kind, or to itself on PostgreSQL: on SQLite it runs with the fault suite only. */
  readonly faultsOnly?: true;
}

export interface Step {
  readonly words: string;
  /** Several: any of them is right. */
  readonly code: number | readonly number[];
  readonly says?: readonly (string | RegExp)[];
}

/** How messages name a row. */
export function row(table: string, id: string | number): RegExp {
  return new RegExp(`${table} (row )?${String(id).replace(',', ', ?')}(?![0-9])`);
}

/** How messages name a chunk; both may be patterns. */
export function chunk(number: number | string, target: string): RegExp {
  return new RegExp(`chunk ${number} of ${target}`);
}

export const accounts: readonly Place[] = Array.from(
  { length: rowsPerTable },
  (_, i) => `account ${i + 1} secret`,
);

export function at(moment: Moment, damages: readonly Omit<Damage, 'at'>[]): Damage[] {
  return damages.map((damage) => ({ ...damage, at: moment }));
}

/** Does the damage, gives the commands, and checks the data with a decryptor of its own. */
export async function prove(world: World, damage: Damage): Promise<void> {
  await world.bring(damage.at);
  await damage.done(world);
  for (const { words, code, says = [] } of damage.seen) {
    const before = await world.cells();
    const ended = await world.keyturn(words);
    const told = ended.stdout + ended.stderr;
    expectDecent(words, ended);
    if (!([code].flat() as (number | null)[]).includes(ended.code))
      throw new Error(`keyturn ${words} ended with ${ended.code}, not with ${code}:\n${told}`);
    for (const text of says) expect(told).toMatch(text);
    const after = await world.cells();
    if (damage.alsoWrites !== true) expect(unaccounted(before, after)).toEqual([]);
    if (ended.code === 0 && /^(rotate|resume|verify)/.test(words))
      expect(untrue(after, damage.truth ?? {})).toEqual([]);
  }
}

/** Every command ends with a message and a hint, and reveals no secret. */
function expectDecent(words: string, { code, signal, stdout, stderr }: Ended): void {
  const told = stdout + stderr;
  if (signal !== null) throw new Error(`keyturn ${words} did not end:\n${told}`);
  if (code === 1 || /unexpected|^ +at .*:\d+/m.test(told))
    throw new Error(`keyturn ${words} ended unexpectedly, with ${code}:\n${told}`);
  if (/^keyturn: error: /m.test(stderr)) expect(stderr).toMatch(/^keyturn: hint: ./m);
  for (const secret of [
    'of-a-secret',
    ...Object.values(keys).flatMap(({ master, legacy }) => [master, legacy]),
  ])
    expect(told.includes(secret)).toBe(false);
}

/** Cells that changed, other than from the old key to the new one with the same plaintext. */
function unaccounted(before: ReadonlyMap<string, Cells>, after: ReadonlyMap<string, Cells>): string[] {
  const strange: string[] = [];
  for (const row of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(row), after.get(row)];
    if (was === undefined || is === undefined)
      strange.push(`${row} ${is === undefined ? 'is gone' : 'is new'}`);
    else strange.push(...changedOtherwise(row, was, is));
  }
  return strange;
}

function changedOtherwise(row: string, was: Cells, is: Cells): string[] {
  const table = tableOf(row.split(' ')[0] ?? '');
  const from = ciphertexts(table, was);
  const to = ciphertexts(table, is);
  const rest = Object.keys(is).filter(
    (column) => column !== table.column && !isSame(is[column], was[column]),
  );
  const strange = rest.map((column) => `${row} ${column}`);
  if (skeleton(was[table.column], from) !== skeleton(is[table.column], to)) strange.push(`${row} around it`);
  for (const [place, text] of to) {
    const old = from.get(place);
    if (old === undefined || old === text) continue;
    const said = open(table.kind, old, 'old');
    const says = open(table.kind, text, 'new');
    const same = table.name === 'app_key' ? says === keys.new.master : says !== null && says === said;
    if (!same) strange.push(place);
  }
  return strange;
}

function isSame(one: unknown, other: unknown): boolean {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : one === other;
}

/** The cell without its ciphertexts. */
function skeleton(cell: unknown, within: ReadonlyMap<Place, string>): string {
  let text = Buffer.isBuffer(cell) ? cell.toString('latin1') : String(cell);
  for (const sealed of within.values()) text = text.replace(sealed, '<sealed>');
  return text;
}

/** Secrets that are not under the new key, or not what they were. */
function untrue(
  cells: ReadonlyMap<string, Cells>,
  otherwise: Readonly<Record<Place, string | null>>,
): string[] {
  const expected = new Map<Place, string | null>([...truth(), ...Object.entries(otherwise)]);
  const found = new Map<Place, string | null>();
  for (const [row, cell] of cells) {
    const table = tableOf(row.split(' ')[0] ?? '');
    for (const [place, text] of ciphertexts(table, cell)) found.set(place, open(table.kind, text, 'new'));
  }
  return [...expected]
    .filter(([place, plain]) => plain !== null && found.get(place) !== plain)
    .map(([place]) => `${place} is not what it was`);
}
