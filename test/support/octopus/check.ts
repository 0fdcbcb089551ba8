import { gunzipSync } from 'node:zlib';
import type { Dialect, Exec } from './dialect.ts';
import { type Leaf, leavesOf } from './leaves.ts';
import { halvesOf, openStream, openText } from './sealing.ts';
import { type Seen, type SeenCell, sameCell, seeOctopus } from './seen.ts';
import { placeOf, type Truth, type Value } from './truth.ts';

export interface Checking {
  /** The result of seeOctopus before the rotation. */
  readonly seenBefore: Seen;
  /** The key of that time; default: the one the database was made with. */
  readonly oldKey?: Buffer;
}

/** One line for each thing that is wrong after a rotation, never with a plaintext. Empty if all is correct. */
export async function checkOctopus(
  exec: Exec,
  dialect: Dialect,
  truth: Truth,
  newKey: Buffer,
  { seenBefore, oldKey = truth.key }: Checking,
): Promise<string[]> {
  const now = await seeOctopus(exec, dialect, truth.tables);
  const values = new Map<string, Value[]>();
  for (const value of truth.values) {
    const cell = cellName(value.table, value.id, value.column);
    const others = values.get(cell);
    if (others) others.push(value);
    else values.set(cell, [value]);
  }
  const withSecrets = new Set(
    truth.values.filter(({ kind }) => kind === 'secret').map(({ table, id }) => `${table} ${id}`),
  );
  const problems: string[] = [];
  const ivs = new Set<string>();
  for (const { name, id: idColumn, columns } of truth.tables) {
    const before = seenBefore.get(name) ?? new Map();
    const after = now.get(name);
    if (after === undefined) {
      problems.push(`${name}: the table is gone`);
      continue;
    }
    if (after.size !== before.size) problems.push(`${name}: ${before.size} rows before, ${after.size} now`);
    for (const id of after.keys()) if (!before.has(id)) problems.push(`${name} ${id}: the row is new`);
    for (const [id, cells] of before) {
      const row = after.get(id);
      if (row === undefined) {
        problems.push(`${name} ${id}: the row is gone`);
        continue;
      }
      for (const [column, type] of Object.entries(columns)) {
        const [was, is] = [cells.get(column) ?? null, row.get(column) ?? null];
        if (type === 'version') {
          if (!withSecrets.has(`${name} ${id}`) && !sameCell(was, is))
            problems.push(`${name} ${id} ${column}: moved, but the row holds no secret`);
          continue;
        }
        // Rows without an id are found by all that they hold: no cell of one can differ.
        const inCell = idColumn === null ? [] : (values.get(cellName(name, id, column)) ?? []);
        problems.push(
          ...cellProblems({ was, is, name: `${name} ${id} ${column}`, inCell, newKey, oldKey, ivs }),
        );
      }
    }
  }
  return problems;
}

function cellName(table: string, id: string | null, column: string): string {
  return JSON.stringify([table, id, column]);
}

interface Compared {
  readonly name: string;
  readonly was: SeenCell;
  readonly is: SeenCell;
  readonly inCell: readonly Value[];
  readonly newKey: Buffer;
  readonly oldKey: Buffer;
  /** Every IV met so far. */
  readonly ivs: Set<string>;
}

function cellProblems(cell: Compared): string[] {
  const { was, is, name, inCell } = cell;
  const [first] = inCell;
  if (first === undefined) return sameCell(was, is) ? [] : [`${name}: was changed`];
  if (first.path === '' && inCell.length === 1 && !isDocument(was, first)) {
    if (first.kind === 'secret') return secretProblems(first, is, cell);
    return sameCell(was, is) ? [] : [`${placeOf(first)}: a ${first.kind} value was changed`];
  }
  return documentProblems(cell);
}

/** A value of the empty path is the whole cell, but for a document that is a single JSON string. */
function isDocument(was: SeenCell, value: Value): boolean {
  return value.form === 'text' && typeof was === 'string' && was.startsWith('"');
}

function secretProblems(value: Value, stored: SeenCell, { newKey, oldKey, ivs }: Compared): string[] {
  const open = (key: Buffer): Buffer | undefined => {
    if (value.form === 'stream') return Buffer.isBuffer(stored) ? openStream(stored, key) : undefined;
    return typeof stored === 'string' ? openText(stored, key) : undefined;
  };
  const plain = value.plain ?? Buffer.alloc(0);
  // Plaintexts are compared, because 1 wrong key in 255 passes the padding check.
  const opened = open(newKey);
  if (!opened?.equals(plain)) {
    if (open(oldKey)?.equals(plain)) return [`${placeOf(value)}: still under the old key`];
    return [
      `${placeOf(value)}: ${opened ? 'opens to another plaintext' : 'does not open under the new key'}`,
    ];
  }
  const iv = ivOf(stored);
  if (ivs.has(iv)) return [`${placeOf(value)}: has the IV of another value`];
  ivs.add(iv);
  return [];
}

function ivOf(stored: SeenCell): string {
  const iv = Buffer.isBuffer(stored) ? stored.subarray(0, 16) : halvesOf(stored ?? '')?.iv;
  return iv?.toString('hex') ?? '';
}

/** The text of a document; undefined where the bytes are not gzip over UTF-16LE. */
function textOf(cell: SeenCell): string | undefined {
  if (!Buffer.isBuffer(cell)) return cell ?? undefined;
  try {
    const bytes = gunzipSync(cell);
    return bytes.length % 2 === 0 ? bytes.toString('utf16le') : undefined;
  } catch {
    return undefined;
  }
}

function leavesIn(text: string): Map<string, Leaf> | undefined {
  try {
    return leavesOf(text);
  } catch {
    return undefined;
  }
}

function documentProblems(cell: Compared): string[] {
  const { was, is, name, inCell } = cell;
  if (Buffer.isBuffer(was) !== Buffer.isBuffer(is)) return [`${name}: is another kind of value`];
  const before = textOf(was);
  const after = textOf(is);
  if (before === undefined) throw new Error(`${name} could not be read before the rotation`);
  if (after === undefined) return [`${name}: does not inflate to text`];
  const leavesBefore = leavesIn(before);
  const leavesAfter = leavesIn(after);
  if (leavesBefore === undefined) throw new Error(`${name} was no JSON before the rotation`);
  if (leavesAfter === undefined) return [`${name}: is no longer JSON`];
  const problems: string[] = [];
  for (const value of inCell) {
    const leafBefore = leavesBefore.get(value.path);
    const leafAfter = leavesAfter.get(value.path);
    if (leafBefore === undefined) throw new Error(`${placeOf(value)} was not there before the rotation`);
    if (leafAfter === undefined) problems.push(`${placeOf(value)}: is gone`);
    else if (value.kind === 'secret') problems.push(...secretProblems(value, leafAfter.value, cell));
    else if (spelling(before, leafBefore) !== spelling(after, leafAfter))
      problems.push(`${placeOf(value)}: a ${value.kind} value was changed`);
  }
  const [restBefore, restAfter] = [restOf(before, leavesBefore, inCell), restOf(after, leavesAfter, inCell)];
  if (restBefore !== restAfter) {
    const names = new Set(inCell.flatMap(({ trap }) => (trap === null ? [] : [` (${trap})`])));
    problems.push(
      `${name}${[...names].join('')}: the text around the values differs: ${difference(restBefore, restAfter)}`,
    );
  }
  return problems;
}

function spelling(text: string, { start, end }: Leaf): string {
  return text.slice(start, end);
}

/** The document with every value that the truth names blanked out. */
function restOf(text: string, leaves: ReadonlyMap<string, Leaf>, values: readonly Value[]): string {
  const spans = values.flatMap(({ path }) => leaves.get(path) ?? []).sort((a, b) => a.start - b.start);
  let at = 0;
  let rest = '';
  for (const { start, end } of spans) {
    rest += `${text.slice(at, start)}\0`;
    at = end;
  }
  return rest + text.slice(at);
}

function difference(before: string, after: string): string {
  let at = 0;
  while (before[at] === after[at]) at++;
  const near = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 12), at + 12));
  return `${near(before)} before, ${near(after)} now`;
}
