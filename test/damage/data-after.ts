import { seal } from './application.ts';
import { accounts, at, row } from './damage.ts';
import { lateRow } from './moments.ts';

const verify = 'verify --current-key-file new.key';

/** After a run: found by a later verification. */
export const dataAfter = at('after the run', [
  {
    name: 'one character of a ciphertext is changed',
    done: (world) => world.garble('account 7 secret'),
    seen: [{ words: verify, code: 5, says: [row('account', 7), /does-not-open/] }],
  },
  {
    name: 'an unauthenticated ciphertext has lost its last block',
    faultsOnly: true,
    done: async (world) => {
      const [sealed = '', iv] = (await world.sealed('device west,3 code')).split('|');
      const bytes = Buffer.from(sealed, 'base64');
      await world.set('device west,3 code', `${bytes.subarray(0, -16).toString('base64')}|${iv}`);
    },
    seen: [{ words: verify, code: 5, says: [row('device', 'west,3')] }],
  },
  {
    name: 'a value is restored from a backup under the old key',
    faultsOnly: true,
    done: (world) => world.reseal('old', 'account 7 secret'),
    seen: [{ words: verify, code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'the table with the canary is restored from a backup under the old key',
    done: (world) => world.reseal('old', ...accounts),
    seen: [{ words: verify, code: 2, says: [/this key does not decrypt/] }],
  },
  {
    name: 'unauthenticated values are restored from a backup under the old key',
    done: (world) => world.reseal('old', 'mailbox m003 password', 'mailbox m007 password'),
    seen: [{ words: verify, code: 5, says: [row('mailbox', 'm003'), row('mailbox', 'm007')] }],
  },
  {
    name: 'a value is encrypted with an unknown key',
    faultsOnly: true,
    done: (world) => world.set('account 7 secret', seal('token', 'of another application', 'third')),
    seen: [{ words: verify, code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a value is not encrypted',
    done: (world) => world.set('account 7 secret', 'in clear'),
    seen: [{ words: verify, code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a document is truncated',
    faultsOnly: true,
    done: (world) =>
      world.exec('update contact set details = substr(details, 1, length(details) - 4) where id = 4'),
    seen: [{ words: verify, code: 5, says: [row('contact', 4)] }],
  },
  {
    name: 'the values of two rows are swapped: they count as changed',
    done: (world) => world.swap('mailbox m003 password', 'mailbox m009 password'),
    seen: [{ words: verify, code: 0, says: [/\b2 changed since/] }],
    truth: { 'mailbox m003 password': null, 'mailbox m009 password': null },
  },
  {
    name: 'a value is NULL: it counts as changed',
    faultsOnly: true,
    done: (world) => world.set('account 7 secret', null),
    seen: [{ words: verify, code: 0, says: [/\b1 changed since/] }],
    truth: { 'account 7 secret': null },
  },
  {
    name: 'a row is deleted: it is counted, and that is no failure',
    done: (world) => world.exec('delete from account where id = 7'),
    seen: [{ words: verify, code: 0, says: [/\b1 (row )?deleted/] }],
    truth: { 'account 7 secret': null },
  },
  {
    name: 'a row is inserted under the old key',
    done: (world) => world.insert('account', 100, lateRow.plain, 'old'),
    seen: [{ words: verify, code: 5, says: [row('account', 100)] }],
  },
  {
    name: 'a row is inserted under the new key: it counts as new',
    done: (world) => world.insert('account', 100, lateRow.plain, 'new'),
    seen: [{ words: verify, code: 0, says: [/\b1 new/] }],
    truth: { [lateRow.place]: lateRow.plain },
  },
  {
    name: 'a table is dropped',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('drop table device'),
    seen: [{ words: verify, code: [2, 3, 5], says: [/device/] }],
  },
  {
    name: 'a column is renamed',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('alter table account rename column secret to token'),
    seen: [{ words: verify, code: [2, 3, 5], says: [/account/, /secret/] }],
  },
  {
    name: 'the key stored in the database is corrupted',
    faultsOnly: true,
    done: (world) => world.garble('app_key 1 value'),
    seen: [{ words: verify, code: [2, 5], says: [/app_key/, /row 1/] }],
  },
  {
    name: 'a ciphertext under the old key is in an undeclared column',
    done: (world) => world.exec(`update account set note = '${seal('token', 'x', 'old')}' where id = 7`),
    seen: [{ words: verify, code: 5, says: [/account\.note/] }],
  },
  {
    name: 'a ciphertext under the old key is in a binary column',
    byEngine: true,
    done: async (world) => {
      const bytes = world.bytes(Buffer.from(seal('token', 'x', 'old')));
      await world.exec(`alter table account add column raw ${world.engine === 'sqlite' ? 'blob' : 'bytea'}`);
      await world.exec(`update account set raw = ${bytes} where id = 7`);
    },
    seen: [{ words: verify, code: 5, says: [/account\.raw/] }],
  },
  {
    name: 'a ciphertext under the old key is in a document at an undeclared path',
    done: (world) =>
      world.exec(
        `update contact set details = replace(details, '"clear"', '"${seal('detail', 'x', 'old')}"') where id = 4`,
      ),
    seen: [{ words: verify, code: 5, says: [/contact\.details/] }],
  },
  {
    name: "a ciphertext under the old key is in a table named like keyturn's own",
    done: async (world) => {
      await world.exec('create table keyturn_backup (id integer primary key, secret text)');
      await world.exec(`insert into keyturn_backup values (1, '${seal('token', 'x', 'old')}')`);
    },
    seen: [{ words: verify, code: 5, says: [/keyturn_backup\.secret/] }],
  },
]);
