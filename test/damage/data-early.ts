import { seal } from './application.ts';
import { accounts, at, row } from './damage.ts';

/** Before a run. */
export const dataBefore = at('before the run', [
  {
    name: 'one character of a ciphertext is changed',
    done: (world) => world.garble('account 7 secret'),
    seen: [
      { words: 'rotate', code: 3, says: [row('account', 7), /does-not-open/] },
      { words: 'exceptions list', code: 0, says: [row('account', 7)] },
    ],
  },
  {
    name: 'one character of a ciphertext in JSON is changed',
    faultsOnly: true,
    done: (world) => world.garble('contact 4 details.bank.iban'),
    seen: [{ words: 'rotate', code: 3, says: [row('contact', 4), /bank\.iban/] }],
  },
  {
    name: 'an unauthenticated ciphertext has lost its last block',
    faultsOnly: true,
    done: async (world) => {
      const bytes = Buffer.from(await world.sealed('mailbox m004 password'), 'base64');
      await world.set('mailbox m004 password', bytes.subarray(0, -16).toString('base64'));
    },
    seen: [{ words: 'rotate', code: 3, says: [row('mailbox', 'm004')] }],
  },
  {
    name: 'a document is truncated',
    done: async (world) =>
      world.exec('update contact set details = substr(details, 1, length(details) - 4) where id = 4'),
    seen: [{ words: 'rotate', code: 3, says: [row('contact', 4), /malformed-document/] }],
  },
  {
    name: 'a value is not encrypted',
    done: (world) => world.set('account 7 secret', 'in clear'),
    seen: [{ words: 'rotate', code: 3, says: [row('account', 7), /not-ciphertext/] }],
  },
  {
    name: 'a value is encrypted with an unknown key',
    faultsOnly: true,
    done: (world) => world.set('device west,3 code', seal('octopus', 'of another application', 'third')),
    seen: [{ words: 'rotate', code: 3, says: [row('device', 'west,3')] }],
  },
  {
    name: 'a value is encrypted twice',
    done: (world) => world.wrap('old', 'account 7 secret'),
    seen: [{ words: 'rotate', code: 3, says: [row('account', 7)] }],
  },
  {
    name: 'another tool stopped halfway: some values are under the new key already, and the run finishes',
    done: async (world) => {
      for (const n of [1, 3, 5, 7, 9, 11]) await world.reseal('new', `account ${n} secret`);
      for (const n of [2, 4, 6])
        await world.reseal('new', `mailbox m00${n} password`, `device east,${n} code`);
    },
    seen: [{ words: 'rotate', code: 0 }],
  },
  {
    name: 'one value is under the new key already, which its format proves, and the run finishes',
    faultsOnly: true,
    done: (world) => world.reseal('new', 'contact 6 details.bank.iban'),
    seen: [{ words: 'rotate', code: 0 }],
  },
  {
    name: 'a ciphertext is copied to an undeclared column',
    done: (world) => world.exec('update account set note = secret where id = 7'),
    seen: [{ words: 'rotate', code: 2, says: [/account\.note/] }],
  },
  {
    name: 'a table is missing',
    faultsOnly: true,
    done: (world) => world.exec('drop table device'),
    seen: [{ words: 'rotate', code: 2, says: [/device/] }],
  },
  {
    name: 'a column is renamed',
    faultsOnly: true,
    done: (world) => world.exec('alter table device rename column code to pin'),
    seen: [{ words: 'rotate', code: 2, says: [/device/, /code/] }],
  },
  {
    name: 'the key stored in the database is corrupted',
    done: (world) => world.garble('app_key 1 value'),
    seen: [{ words: 'rotate', code: 2, says: [/app_key/, /row 1/] }],
  },
  {
    name: 'the key stored in the database is deleted',
    faultsOnly: true,
    done: (world) => world.exec('delete from app_key'),
    seen: [{ words: 'rotate', code: 2, says: [/mailbox/] }],
  },
]);

const audit = {
  sqlite: `create trigger audit after update on account begin
    insert into account_history select old.id, old.secret; end`,
  postgres: `create function audit() returns trigger language plpgsql as
    'begin insert into account_history values (old.id, old.secret); return new; end';
    create trigger audit after update on account for each row execute function audit()`,
};
const rewriting = {
  sqlite: `create trigger rewriting after update of code on device begin
    update device set code = lower(new.code) where site = new.site and number = new.number; end`,
  postgres: `create function rewriting() returns trigger language plpgsql as
    'begin new.code := lower(new.code); return new; end';
    create trigger rewriting before update on device for each row execute function rewriting()`,
};
const ignoring = {
  sqlite: 'create trigger ignoring before update on device begin select raise(ignore); end',
  postgres: `create function ignoring() returns trigger language plpgsql as 'begin return null; end';
    create trigger ignoring before update on device for each row execute function ignoring()`,
};

/** Halfway through a run: account 1 to 10 are rotated, device east,12 and everything after it is not. */
export const dataDuring = at('halfway through the rotation', [
  {
    name: 'one character of a value that is not rotated yet is changed',
    done: (world) => world.garble('device west,3 code'),
    seen: [{ words: 'resume', code: [3, 5], says: [row('device', 'west,3')] }],
  },
  {
    name: 'one character of a rotated value is changed',
    faultsOnly: true,
    done: (world) => world.garble('account 7 secret'),
    seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a rotated row is deleted',
    done: (world) => world.exec('delete from account where id = 7'),
    seen: [
      { words: 'resume', code: 3, says: [/account/, /\b1 row\b/] },
      { words: 'status', code: 0, says: [/deleted/] },
    ],
    truth: { 'account 7 secret': null },
  },
  {
    name: 'a table is restored from a backup under the old key',
    done: (world) => world.reseal('old', ...accounts),
    seen: [{ words: 'resume', code: 0 }],
  },
  {
    name: 'a rotated value is encrypted again with the old key',
    done: (world) => world.wrap('old', 'account 7 secret'),
    seen: [{ words: 'resume', code: [3, 5], says: [row('account', 7)] }],
  },
  {
    name: 'a table with a planned chunk is dropped',
    byEngine: true,
    done: (world) => world.exec('drop table mailbox'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/mailbox/] }],
  },
  {
    name: 'a table with rows that are not planned yet is dropped',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('drop table account'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/account/] }],
  },
  {
    name: 'a table is renamed',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('alter table mailbox rename to letterbox'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/mailbox/] }],
  },
  {
    name: 'a column is dropped',
    byEngine: true,
    done: (world) => world.exec('alter table mailbox drop column password'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/mailbox/, /password/] }],
  },
  {
    name: 'a column is renamed',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('alter table account rename column secret to token'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/account/, /secret/] }],
  },
  {
    name: 'a column is narrowed and its values truncated',
    only: 'postgres',
    byEngine: true,
    done: (world) => world.exec('alter table account alter secret type varchar(90) using left(secret, 90)'),
    seen: [{ words: 'resume', code: [3, 5], says: [/account/] }],
  },
  {
    name: 'a text column becomes a binary column',
    only: 'postgres',
    byEngine: true,
    done: (world) => world.exec("alter table device alter code type bytea using convert_to(code, 'UTF8')"),
    seen: [{ words: 'resume', code: [0, 2, 3, 5] }],
  },
  {
    name: 'a ciphertext under the old key is written to an undeclared column',
    done: (world) => world.exec(`update account set note = '${seal('token', 'x', 'old')}' where id = 7`),
    seen: [{ words: 'resume', code: 3, says: [/account\.note/] }],
  },
  {
    name: 'a trigger copies the old values to another table',
    byEngine: true,
    alsoWrites: true,
    done: async (world) => {
      await world.exec('create table account_history (id integer, secret text)');
      await world.exec(audit[world.engine]);
      await world.exec('update account set note = null where id = 12');
    },
    seen: [{ words: 'resume', code: 3, says: [/account_history\.secret/] }],
  },
  {
    name: 'a trigger changes what is written',
    byEngine: true,
    alsoWrites: true,
    done: (world) => world.exec(rewriting[world.engine]),
    seen: [{ words: 'resume', code: [3, 5], says: [/device/] }],
  },
  {
    name: 'a trigger discards what is written',
    byEngine: true,
    done: (world) => world.exec(ignoring[world.engine]),
    seen: [{ words: 'resume', code: 3, says: [/device/, /west|east/] }],
  },
]);
