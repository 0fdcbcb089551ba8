import type { z } from 'zod';
import type { KeyturnError } from '../error.ts';
import { contentHash } from './mac.ts';
import { defaultOptions, type Run, requests, runKinds, runStates } from './run.ts';
import { type Cell, readStored, readWord } from './stored.ts';
import {
  storedAuthority,
  storedInventory,
  storedJob,
  storedOptions,
  storedPinned,
  storedReason,
  unknownJob,
} from './stored-run.ts';

/** A row of keyturn_run. */
export interface RunRow {
  id: string;
  kind: string;
  state: string;
  reason: string | null;
  requested: string | null;
  waiting: string | null;
  job: string;
  from_key_id: string;
  to_key_id: string;
  fence: number;
  round: number;
  pinned: string;
  options: string;
  authority: string;
  inventory: string;
  tool_version: string;
  place: string;
  coordinator: string | null;
  created_at: string;
  finished_at: string | null;
  mac: string | null;
  heartbeat: string | null;
}

/** What cannot be read is replaced, and named in `unreadable`: `status` and `report` show the rest. */
export function fromRow(row: RunRow): Run {
  let unreadable: string | null = null;
  const cell = (column: keyof RunRow): Cell => ({ run: row.id, table: 'keyturn_run', column });
  const either = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      unreadable ??= (error as KeyturnError).message;
      return otherwise;
    }
  };
  const json = <T>(column: keyof RunRow, schema: z.ZodType<T>, otherwise: T): T =>
    either(() => readStored(schema, row[column], cell(column)), otherwise);
  const word = <T extends string>(column: keyof RunRow, words: readonly T[], otherwise: T): T =>
    either(() => readWord(words, row[column], cell(column)), otherwise);
  const run = {
    id: row.id,
    kind: word('kind', runKinds, 'rotation'),
    state: word('state', runStates, 'failed'),
    reason: reasonOf(row, cell('reason')),
    requested: row.requested === null ? null : word('requested', requests, 'pause'),
    waiting: row.waiting,
    job: json('job', storedJob, unknownJob),
    fromKeyId: row.from_key_id,
    toKeyId: row.to_key_id,
    fence: row.fence,
    round: row.round,
    pinned: json('pinned', storedPinned, {}),
    options: json('options', storedOptions, defaultOptions),
    authority: json('authority', storedAuthority, { operator: 'unknown' }),
    inventory: json('inventory', storedInventory, { targets: [], absent: [], undeclared: [], unread: [] }),
    toolVersion: row.tool_version,
    place: row.place,
    coordinator: row.coordinator ?? null,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    content: contentOf(row),
    mac: row.mac ?? null,
  };
  return { ...run, unreadable };
}

/** For people only: one that cannot be read stops nothing. */
function reasonOf({ reason }: RunRow, cell: Cell): Run['reason'] {
  if (reason === null) return null;
  try {
    return readStored(storedReason, reason, cell);
  } catch (error) {
    const { code, message } = error as KeyturnError;
    return { code, text: message };
  }
}

/** The part of a run's row that only `update` changes. It does not include the state. */
export function contentOf(row: Omit<RunRow, 'mac' | 'heartbeat'>): string {
  return contentHash([
    row.id,
    row.kind,
    row.job,
    row.from_key_id,
    row.to_key_id,
    row.pinned,
    row.options,
    row.authority,
    row.inventory,
    row.tool_version,
    row.place,
  ]);
}
