import { expect, test } from '@jest/globals';
import { mysql } from '../../src/databases/mysql/engine.ts';
import { describeMysql, parseMysql } from '../../src/databases/mysql/url.ts';
import { engineOf, openDatabase } from '../../src/databases/open.ts';
import { postgres } from '../../src/databases/postgres/engine.ts';
import { describePostgres, parsePostgres } from '../../src/databases/postgres/url.ts';
import { sqlite } from '../../src/databases/sqlite/engine.ts';
import { parseSqlite } from '../../src/databases/sqlite/url.ts';

test.each([
  ['sqlite:relative/file.db', 'relative/file.db'],
  ['sqlite:/abs/file.db', '/abs/file.db'],
  ['sqlite:///abs/file.db', '/abs/file.db'],
  ['SQLite:C:\\data\\file.db', 'C:\\data\\file.db'],
  ['sqlite:with space?#%20', 'with space?#%20'],
])('%s names a file', (url, path) => {
  expect(engineOf(url)).toBe(sqlite);
  expect(parseSqlite(url)).toEqual({ path });
});

test('a PostgreSQL URL can have all parts, or only a few', () => {
  const long = 'postgresql://us%40er:p%2Fw@[::1]:6543/my%20db?schema=s&sslmode=verify-ca&sslrootcert=/ca.pem';
  expect(engineOf(long)).toBe(postgres);
  expect(parsePostgres(long)).toEqual({
    host: '::1',
    port: 6543,
    user: 'us@er',
    password: 'p/w',
    database: 'my db',
    schema: 's',
    sslMode: 'verify-ca',
    sslFiles: { ca: '/ca.pem' },
  });
  expect(parsePostgres('postgres:///db?host=/var/run/postgresql')).toMatchObject({
    host: '/var/run/postgresql',
    port: 5432,
    user: undefined,
    password: undefined,
    database: 'db',
    schema: 'public',
  });
});

test('a MySQL URL can have all parts, or only a few', () => {
  const long =
    'MariaDB://us%40er:p%2Fw@[::1]:3307/my%20db?ssl-mode=verify_identity&ssl-ca=/ca.pem&ssl-cert=/c.pem&ssl-key=/k.pem';
  expect(engineOf(long)).toBe(mysql);
  expect(parseMysql(long)).toEqual({
    host: '::1',
    port: 3307,
    user: 'us@er',
    password: 'p/w',
    database: 'my db',
    sslMode: 'VERIFY_IDENTITY',
    sslFiles: { ca: '/ca.pem', cert: '/c.pem', key: '/k.pem' },
  });
  expect(parseMysql('mysql:///db?socket=/run/mysqld/mysqld.sock')).toMatchObject({
    host: 'localhost',
    port: 3306,
    socket: '/run/mysqld/mysqld.sock',
    user: undefined,
    sslMode: 'PREFERRED',
  });
  expect(parseMysql('mysql://h/db?ssl-ca=/ca.pem')).toMatchObject({ sslMode: 'VERIFY_CA' });
});

test.each(['mysql://u:SECRET@h:3307/db', 'mariadb://u:SECRET@[::1]/d%20b?socket=/a%20b'])(
  'the description of %s is a URL without the password',
  (url) => {
    const described = describeMysql(parseMysql(url));
    expect(described).not.toContain('SECRET');
    expect(parseMysql(described)).toEqual({ ...parseMysql(url), password: undefined });
  },
);

test.each([
  'postgres://u:SECRET@h:5432/db?schema=x',
  'postgres://u:SECRET@[::1]/db',
  'postgres:///db?password=SECRET',
])('the description of %s is a URL without the password', (url) => {
  const described = describePostgres(parsePostgres(url));
  expect(described).not.toContain('SECRET');
  expect(parsePostgres(described)).toEqual({ ...parsePostgres(url), password: undefined });
});

test.each([
  ['', /no scheme/],
  ['/just/a/path', /no scheme/],
  ['oracle://u:SECRET@h/db', /does not support the database engine oracle/],
  ['postgres://u:SECRET@h:port/db', /malformed/],
  ['postgres://u:SECRET%@h/db', /invalid % escape/],
  ['postgres://u:SECRET@h/db?sslmode=SECRET', /sslmode/],
  ['sqlite:', /does not name a file/],
  ['sqlite::memory:', /does not name a file/],
  ['mysql://u:SECRET@h', /does not name a database/],
  ['mysql://u:SECRET@h:port/db', /malformed/],
  ['mariadb://u:SECRET%@h/db', /invalid % escape/],
  ['mysql://u:SECRET@h/db?ssl-mode=SECRET', /ssl-mode/],
])('%s is refused with a hint that does not contain the password', async (url, message) => {
  const error = await openDatabase(url).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'database-url',
    message: expect.stringMatching(message),
    hint: expect.not.stringContaining('SECRET'),
  });
  expect(error.message).not.toMatch(/SECRET/);
});
