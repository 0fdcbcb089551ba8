// Starts a temporary Redis, PostgreSQL, MariaDB and, where it can be fetched, MySQL on free ports, prints their URLs as
// JSON, and runs until it is stopped (Ctrl-C, or the end of its standard input if that is a pipe). All their files are removed.
//   node scripts/services.mjs
import { once } from 'node:events';
import '../test/support/typescript.mjs';

const { startMariadb } = await import('../test/support/mariadb.ts');
const { obtainMysql, startMysql } = await import('../test/support/mysql.ts');
const { startPostgres } = await import('../test/support/postgres.ts');
const { startRedis } = await import('../test/support/redis.ts');

const redis = await startRedis();
const postgres = await startPostgres();
const mariadb = await startMariadb();
const mysql = (await obtainMysql()) === null ? await startMysql() : null;
console.log(
  JSON.stringify({
    redis: redis.url,
    postgres: postgres.url,
    mariadb: mariadb.url,
    mysql: mysql?.url ?? null,
  }),
);

const ends = [once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')];
if (!process.stdin.isTTY) ends.push(once(process.stdin.resume(), 'end'));
await Promise.race(ends);
await Promise.all([redis.stop(), postgres.stop(), mariadb.stop(), mysql?.stop()]);
process.exit(0);
