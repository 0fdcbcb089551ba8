import { expect, test } from '@jest/globals';
import { mssql } from '../../../src/databases/mssql/engine.ts';
import { describeMssql, parseMssql } from '../../../src/databases/mssql/url.ts';
import { engineOf, openDatabase } from '../../../src/databases/open.ts';

const plain = {
  host: 'h',
  port: 1433,
  instance: undefined,
  user: undefined,
  password: undefined,
  database: undefined,
  schema: 'dbo',
  encrypt: true,
  trustServerCertificate: false,
  hostNameInCertificate: undefined,
  connectTimeoutMs: 10_000,
  multiSubnetFailover: true,
  readOnlyIntent: false,
};

test.each([
  ['mssql://h', {}],
  ['mssql://', { host: 'localhost' }],
  [
    'mssql://us%40er:p%2Fw@h:1435/my%20db?schema=s&encrypt=false&trustServerCertificate=true',
    {
      ...{ user: 'us@er', password: 'p/w', port: 1435, database: 'my db', schema: 's', encrypt: false },
      trustServerCertificate: true,
    },
  ],
  ['mssql://[::1]/d?encrypt=strict', { host: '::1', database: 'd', encrypt: 'strict' }],
  ['mssql://u@h\\inst/d', { user: 'u', instance: 'inst', port: undefined, database: 'd' }],
  ['mssql://h/d?instance=inst', { instance: 'inst', port: undefined, database: 'd' }],
  ['mssql://dom%5Cu@h/d', { user: 'dom\\u', database: 'd' }],
  ['Server=h', {}],
  [
    'server=tcp:h,1435;Initial Catalog=d;UID=u;PWD=p',
    { port: 1435, database: 'd', user: 'u', password: 'p' },
  ],
  ['Data Source=h\\inst;Database=d', { instance: 'inst', port: undefined, database: 'd' }],
  ['Data Source=h\\inst,1435', { port: 1435 }],
  ['Addr=(local);User Id=dom\\u', { host: 'localhost', user: 'dom\\u' }],
  [
    'Server=.;Password="a;b=c";Encrypt=Optional;Trust Server Certificate=yes;Max Pool Size=9;Persist Security Info=True',
    { host: 'localhost', password: 'a;b=c', encrypt: false, trustServerCertificate: true },
  ],
  ['Server=h;Encrypt=Mandatory;Authentication=SqlPassword;Schema=s', { schema: 's' }],
  ['Server=h;Integrated Security=False;Encrypt=Strict', { encrypt: 'strict' }],
  [" Server = h ; Password = 'it''s \"it\"' ;; ", { password: `it's "it"` }],
  ['Server=h;Password="a""b";Database=', { password: 'a"b' }],
  ['Password=;Server=h;User Id=;', {}],
  [
    'Server=h;MultiSubnetFailover=False;HostNameInCertificate=db.internal;Connect Timeout=45;ApplicationIntent=ReadOnly',
    {
      ...{ multiSubnetFailover: false, hostNameInCertificate: 'db.internal', connectTimeoutMs: 45_000 },
      readOnlyIntent: true,
    },
  ],
  [
    'Server=h;Multi Subnet Failover=Yes;Host Name In Certificate=db.internal;Connection Timeout=9;Application Intent=ReadWrite',
    { hostNameInCertificate: 'db.internal', connectTimeoutMs: 9_000 },
  ],
  [
    'mssql://h?multiSubnetFailover=false&hostNameInCertificate=db.internal&connectTimeout=45&applicationIntent=readonly',
    {
      ...{ multiSubnetFailover: false, hostNameInCertificate: 'db.internal', connectTimeoutMs: 45_000 },
      readOnlyIntent: true,
    },
  ],
])('%s is a SQL Server', (text, differences) => {
  expect(engineOf(text)).toBe(mssql);
  expect(parseMssql(text)).toEqual({ ...plain, ...differences });
});

test.each([
  'mssql://u:SECRET@h:1435/db?schema=x&encrypt=false&trustServerCertificate=true',
  'mssql://u:SECRET@[::1]/db?encrypt=strict',
  'mssql://h/db?multiSubnetFailover=no&hostNameInCertificate=a%26b&connectTimeout=45&applicationIntent=ReadOnly',
  'mssql://dom%5Cu:SECRET@h/db?instance=i',
  'Server=tcp:h\\i;Database=d;User Id=u;Password=SECRET',
])('the description of %s is a URL without the password', (text) => {
  const described = describeMssql(parseMssql(text));
  expect(described).not.toContain('SECRET');
  expect(parseMssql(described)).toEqual({ ...parseMssql(text), password: undefined });
});

test.each([
  ['mssql://u:SECRET@h:port/db', /malformed/],
  ['mssql://u:SECRET%@h/db', /invalid % escape/],
  ['mssql://u:SECRET@h/db?encrypt=SECRET', /encrypt/],
  ['mssql://u:SECRET@h/db?trustServerCertifcate=true', /unknown parameter trustservercertifcate/],
  ['mssql://u:SECRET@h/db?connectTimeout=0', /invalid connect timeout/],
  ['mssql://u:SECRET@h/db?applicationIntent=SECRET', /ApplicationIntent/],
  ['Server=h;Connect Timeout=601;Password=SECRET', /invalid connect timeout/],
  ['Server=h;Failover Partner=other;Password=SECRET', /failover partner/],
  ['Server=h;ServerCertificate=c.cer;Password=SECRET', /servercertificate/],
  ['Server=h;Integrated Security=SSPI;Password=SECRET', /uses Windows or Entra ID authentication/],
  ['Server=h;Trusted_Connection=yes;Password=SECRET', /uses Windows or Entra ID authentication/],
  ['Server=h;Authentication=Active Directory Default;Password=SECRET', /Entra ID/],
  ['Server=;Password=SECRET', /does not name a server/],
  ['Server=np:\\\\.\\pipe\\sql\\query;Password=SECRET', /pipe/],
  ['Server=h,port;Password=SECRET', /server name in the database URL is malformed/],
  ['Server=h;Password="SECRET', /connection string is malformed/],
])('%s is refused with a hint that does not contain the password', async (text, message) => {
  const error = await openDatabase(text).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'database-url',
    message: expect.stringMatching(message),
    hint: expect.not.stringContaining('SECRET'),
  });
  expect(error.message).not.toMatch(/SECRET/);
});
