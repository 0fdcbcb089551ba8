import type { Ask } from './request.ts';

/** The transaction log, in bytes; null: the login may not see it, or this version does not have it. */
export interface LogFacts {
  readonly recovery: string;
  readonly size: number | null;
  readonly used: number | null;
  /** By how much its files may still grow according to their declaration; Infinity: without a limit. */
  readonly growth: number | null;
  /** Free on the volumes of its files. */
  readonly free: number | null;
}

/** Each in a query of its own, since each needs a permission of its own. */
const spaceSql = 'select total_log_size_in_bytes, used_log_space_in_bytes from sys.dm_db_log_space_usage';
const filesSql = `select cast(size as bigint), cast(max_size as bigint), cast(growth as bigint)
  from sys.database_files where type = 1`;
const volumesSql = `select distinct v.volume_mount_point, v.available_bytes from sys.database_files f
  cross apply sys.dm_os_volume_stats(db_id(), f.file_id) v where f.type = 1`;

export async function logFacts(ask: Ask): Promise<LogFacts | null> {
  // Empty: the login may not see it, or this version does not have it
  const visible = (sql: string): Promise<unknown[][]> => ask(sql, []).catch(() => []);
  const [model] = await visible('select recovery_model_desc from sys.databases where database_id = db_id()');
  if (model === undefined) return null;
  const [space] = await visible(spaceSql);
  const files = await visible(filesSql);
  const volumes = await visible(volumesSql);
  return {
    recovery: String(model[0]),
    size: number(space?.[0]),
    used: number(space?.[1]),
    growth: files.length === 0 ? null : files.reduce((sum, file) => sum + growthOf(file.map(Number)), 0),
    free: volumes.length === 0 ? null : volumes.reduce((sum, [, free]) => sum + Number(free), 0),
  };
}

function number(value: unknown): number | null {
  return value == null ? null : Number(value);
}

/** https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-database-files-transact-sql: in pages of 8 KB. A maximum of -1 means no limit, a growth of 0 no growth. */
function growthOf([size = 0, maximum = 0, growth = 0]: readonly number[]): number {
  if (growth === 0) return 0;
  return maximum === -1 ? Number.POSITIVE_INFINITY : Math.max(0, maximum - size) * 8192;
}

/** If the log is not cleared automatically: how large it is, and how much space it has. */
export function logWarnings(facts: LogFacts | null): string[] {
  if (facts === null || !['FULL', 'BULK_LOGGED'].includes(facts.recovery)) return [];
  const { size, used, growth, free } = facts;
  const parts = [
    ...(size === null ? [] : [`${megabytes(size)}${used === null ? '' : `, ${megabytes(used)} of it used`}`]),
    ...(growth === null ? [] : [growthWords(growth)]),
    ...(free === null ? [] : [`${megabytes(free)} free on its volume`]),
  ];
  const state = parts.length === 0 ? '' : ` (${parts.join('; ')})`;
  return [
    `recovery model ${facts.recovery}: the log${state} grows with every row written until a log backup, ` +
      'which keeps the old ciphertext: consider --throttle log-used',
  ];
}

function growthWords(growth: number): string {
  if (growth === 0) return 'cannot grow';
  return growth === Number.POSITIVE_INFINITY
    ? 'can grow until its volume is full'
    : `can grow by ${megabytes(growth)}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20).toLocaleString('en-US')} MB`;
}
