import { invalidUrl } from '../url.ts';

export interface SqliteUrl {
  readonly path: string;
}

export const sqliteShape = 'sqlite:path/to/file';

export function isSqlite(url: string): boolean {
  return /^sqlite:/i.test(url);
}

export function parseSqlite(url: string): SqliteUrl {
  // Both sqlite:/abs and sqlite:///abs are in use
  const path = url.slice('sqlite:'.length).replace(/^\/\/(?=\/|[^/])/, '');
  if (path === '' || path === ':memory:')
    throw invalidUrl('the database URL does not name a file', { hint: `write it as ${sqliteShape}` });
  return { path };
}

/** For people. */
export function describeSqlite({ path }: SqliteUrl): string {
  return `sqlite:${path}`;
}
