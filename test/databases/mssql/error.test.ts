import { describe, expect, test } from '@jest/globals';
import { cleaned } from '../../../src/databases/mssql/error.ts';
import { mssqlFailures } from '../../../src/databases/mssql/failures.ts';

/** Errors as tedious creates them. */
const fromServer = (number: number, message = 'about SECRET'): Error =>
  Object.assign(new Error(message), { code: 'EREQUEST', number });
const fromDriver = (code: string, message: string, name = 'Error'): Error =>
  Object.assign(new Error(message), { code, name });

describe("SQL Server's errors", () => {
  test.each([
    [2627, "Violation of UNIQUE KEY constraint 'u'. The duplicate key value is (SECRET)."],
    [2601, "Cannot insert duplicate key row with unique index 'i'. The duplicate key value is (SECRET)."],
    [2628, "String or binary data would be truncated in table 't', column 'c'. Truncated value: 'SECRET'."],
    [245, "Conversion failed when converting the nvarchar value 'SECRET' to data type int."],
    [50000, 'a trigger says SECRET'],
    [13609, 'JSON text is not properly formatted. SECRET'],
  ])('of number %d lose the value that they quote, and keep their number', (number, message) => {
    const error = cleaned(fromServer(number, message)) as Error;
    expect(error).toMatchObject({ name: 'MssqlError', code: 'EREQUEST', number });
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${error.cause}`).not.toContain('SECRET');
  });

  test('that only name objects keep their message', () => {
    expect(cleaned(fromServer(208, "Invalid object name 'keyturn_run'."))).toMatchObject({
      message: "SQL Server error 208: Invalid object name 'keyturn_run'.",
    });
  });

  test('that come together are reported by the first', () => {
    const several = Object.assign(
      new AggregateError([fromServer(5074, 'the index i'), fromServer(4922)]),
      {},
    );
    expect(cleaned(several)).toMatchObject({ number: 5074, message: 'SQL Server error 5074: the index i' });
  });

  test.each([1205, 1222, 3960, 13535, 40197, 40501, 40613, 49918, 10928, 10054])(
    'of number %d are transient',
    (number) => {
      expect(mssqlFailures.isTransient(cleaned(fromServer(number)))).toBe(true);
      expect(mssqlFailures.isTransient(new Error('around it', { cause: cleaned(fromServer(number)) }))).toBe(
        true,
      );
    },
  );

  test.each([2627, 208, 229, 4060, 18456, 9002])('of number %d are not transient', (number) => {
    expect(mssqlFailures.isTransient(cleaned(fromServer(number)))).toBe(false);
  });

  test.each([229, 230, 262, 297, 300])('of number %d mean that a permission is missing', (number) => {
    expect(mssqlFailures.isDenied(cleaned(fromServer(number)))).toBe(true);
    expect(mssqlFailures.isTransient(cleaned(fromServer(number)))).toBe(false);
  });
});

describe("the driver's errors", () => {
  test.each([
    ['ESOCKET', 'Connection lost - read ECONNRESET'],
    ['ECONNRESET', 'socket hang up'],
    ['ECLOSE', 'Connection closed before request completed.'],
    ['EINVALIDSTATE', 'Requests can only be made in the LoggedIn state, not the Final state'],
    ['ETIMEOUT', 'Failed to connect to h:1433 in 10000ms'],
  ])('%s is transient', (code, message) => {
    const error = cleaned(fromDriver(code, message));
    expect([mssqlFailures.isTransient(error), mssqlFailures.isTimeout(error)]).toEqual([true, false]);
  });

  test('a statement that timed out is not a lost connection', () => {
    const error = cleaned(fromDriver('ETIMEOUT', 'Timeout: Request failed to complete in 300ms'));
    expect([mssqlFailures.isTransient(error), mssqlFailures.isTimeout(error)]).toEqual([false, true]);
  });

  test('a parameter that it does not accept is not repeated in the message', () => {
    const message = "Validation failed for parameter 'p0'. SECRET";
    expect((cleaned(fromDriver('EPARAM', message)) as Error).message).not.toContain('SECRET');
  });

  test('of an exhausted pool and of the connection of the run lock are transient', () => {
    expect(mssqlFailures.isTransient(fromDriver('', 'operation timed out', 'TimeoutError'))).toBe(true);
    expect(mssqlFailures.isTransient(new Error('Connection terminated: the server does not answer'))).toBe(
      true,
    );
    expect(mssqlFailures.isTransient(new Error('anything else'))).toBe(false);
  });
});
