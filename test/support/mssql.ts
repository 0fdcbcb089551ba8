import sql from 'mssql';
import { eventually } from '../contract/database.ts';
import type { TestDatabase } from './postgres.ts';

/** For a login that can create databases: mssql://user:password@host:1433/master?encrypt=false. */
export const mssqlServer = process.env.KEYTURN_TEST_MSSQL;

export async function connectMssql(database: string): Promise<sql.ConnectionPool> {
  const url = new URL(mssqlServer ?? '');
  return new sql.ConnectionPool({
    server: url.hostname,
    port: Number(url.port || 1433),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database,
    options: {
      encrypt: url.searchParams.get('encrypt') !== 'false',
      trustServerCertificate: true,
      appName: 'keyturn test',
    },
  }).connect();
}

/** Creates an empty database, which exists until it is closed. Parameters are `@p0`, `@p1`…; without them a statement is sent as a batch. */
export async function createMssqlDatabase(): Promise<TestDatabase> {
  const name = `keyturn_${process.pid}_${Date.now()}`;
  const master = await connectMssql('master');
  await master.request().batch(`create database ${name}`);
  // keyturn warns about any other recovery model
  await master
    .request()
    .batch(`alter database ${name} set recovery simple`)
    .catch(() => undefined);
  const pool = await connectMssql(name);
  const url = new URL(mssqlServer ?? '');
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async exec(statement, values = []) {
      const request = pool.request();
      for (const [place, value] of values.entries()) request.input(`p${place}`, value);
      return (
        (await (values.length === 0 ? request.batch(statement) : request.query(statement))).recordset ?? []
      );
    },
    async close() {
      await pool.close();
      // The server needs a moment to notice that a connection was closed
      await eventually(() => master.request().batch(`drop database ${name}`));
      await master.close();
    },
  };
}
