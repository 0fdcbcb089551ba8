import { contentHash } from './mac.ts';
import type { Run, RunState } from './run.ts';

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

export function fromRow(row: RunRow): Run {
  return {
    id: row.id,
    kind: row.kind as Run['kind'],
    state: row.state as RunState,
    reason: row.reason === null ? null : JSON.parse(row.reason),
    requested: row.requested as Run['requested'],
    waiting: row.waiting,
    job: JSON.parse(row.job),
    fromKeyId: row.from_key_id,
    toKeyId: row.to_key_id,
    fence: row.fence,
    round: row.round,
    pinned: JSON.parse(row.pinned),
    options: JSON.parse(row.options),
    authority: JSON.parse(row.authority),
    inventory: JSON.parse(row.inventory),
    toolVersion: row.tool_version,
    place: row.place,
    coordinator: row.coordinator ?? null,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    content: contentOf(row),
    mac: row.mac ?? null,
  };
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
