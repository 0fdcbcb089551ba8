import { describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../../src/databases/open.ts';
import { createMysqlDatabase } from '../../support/mariadb.ts';

const servers = (
  [
    ['MariaDB', process.env.KEYTURN_TEST_MARIADB],
    ['MySQL', process.env.KEYTURN_TEST_MYSQL],
  ] as const
).filter(([, url]) => url !== undefined);

(servers.length === 0 ? describe.skip : describe).each(servers)('%s', (_, server) => {
  test.each([
    ['of single tables', 'select on one', 1, ['one']],
    ['of single columns', 'select (id) on one', 1, ['one']],
    ['of the whole database', 'select on *', 0, ['other', 'one']],
  ])(
    'a login with rights %s is told whether something may be hidden',
    async (_kind, grant, sentences, seen) => {
      const world = await createMysqlDatabase(server);
      const name = new URL(world.url).pathname.slice(1);
      const login = name.slice(0, 30);
      try {
        await world.exec('create table one (id int primary key, v text)');
        await world.exec('create table other (id int primary key, v text)');
        await world.exec(`create user ${login} identified by 'secret-Of-1'`);
        await world.exec(`grant ${grant.replace(/on (\S+)/, `on ${name}.$1`)} to ${login}`);
        const url = new URL(world.url);
        url.username = login;
        url.password = 'secret-Of-1';
        const database = await openDatabase(url.href);
        expect((await database.catalog()).map((table) => table.name).sort()).toEqual([...seen].sort());
        expect(await database.server.unseen()).toEqual(
          Array(sentences).fill(
            expect.stringMatching(/^this login does not have SELECT on the whole database/),
          ),
        );
        await database.close();
      } finally {
        await world.exec(`drop user if exists ${login}`);
        await world.close();
      }
    },
  );
});
