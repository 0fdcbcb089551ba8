import { describe, expect, test } from '@jest/globals';
import { type LogFacts, logWarnings } from '../../../src/databases/mssql/log.ts';

describe("the warning of SQL Server's log", () => {
  const megabyte = 2 ** 20;
  const unknown: LogFacts = { recovery: 'FULL', size: null, used: null, growth: null, free: null };
  const said = (facts: Partial<LogFacts>): string | undefined =>
    /the log(?: \((.*)\))? grows with every row written until a log backup/.exec(
      logWarnings({ ...unknown, ...facts })[0] ?? '',
    )?.[1];

  test('has its size, what is used of it, how far it can grow, and the free space on its volume', () => {
    const facts = { size: 4096 * megabyte, used: 512 * megabyte, growth: megabyte, free: 80_000 * megabyte };
    expect(said(facts)).toBe('4,096 MB, 512 MB of it used; can grow by 1 MB; 80,000 MB free on its volume');
    expect(said({ growth: 0 })).toBe('cannot grow');
    expect(said({ growth: Number.POSITIVE_INFINITY })).toBe('can grow until its volume is full');
  });

  test('omits what the login may not see, and does not exist if the log is cleared automatically', () => {
    expect(said({ free: 2 * megabyte })).toBe('2 MB free on its volume');
    expect(logWarnings(unknown)).toEqual([
      expect.stringContaining('model FULL: the log grows with every row'),
    ]);
    expect(logWarnings({ ...unknown, recovery: 'BULK_LOGGED' })).toHaveLength(1);
    expect(logWarnings({ ...unknown, recovery: 'SIMPLE' })).toEqual([]);
    expect(logWarnings(null)).toEqual([]);
  });
});
