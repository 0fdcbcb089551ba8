import { keys, seal } from './application.ts';
import { at, row } from './damage.ts';
import { lateRow } from './moments.ts';

/** When everything is rotated and nothing is verified. */
export const dataBetween = at('between rotation and verification', [
  {
    name: 'one character of a ciphertext is changed',
    done: (world) => world.garble('account 7 secret'),
    seen: [
      { words: 'resume', code: 5, says: [row('account', 7)] },
      { words: 'status', code: 0, says: [row('account', 7)] },
      { words: 'report', code: 0, says: [row('account', 7)] },
      { words: 'exceptions list', code: 0, says: [row('account', 7)] },
    ],
  },
  {
    name: 'one character of the IV of an unauthenticated ciphertext is changed',
    done: async (world) => {
      const text = await world.sealed('device west,3 code');
      const at = text.indexOf('|') + 8;
      await world.set(
        'device west,3 code',
        `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`,
      );
    },
    seen: [{ words: 'resume', code: 5, says: [row('device', 'west,3')] }],
  },
  {
    name: 'the values of two rows are swapped',
    done: (world) => world.swap('mailbox m003 password', 'mailbox m009 password'),
    seen: [{ words: 'resume', code: 5, says: [row('mailbox', 'm003'), row('mailbox', 'm009')] }],
  },
  {
    name: 'two values in a document are swapped',
    faultsOnly: true,
    done: (world) => world.swap('contact 4 details.bank.iban', 'contact 4 details.notes[0].text'),
    seen: [{ words: 'resume', code: 5, says: [row('contact', 4)] }],
  },
  {
    name: 'a value is copied from another row',
    faultsOnly: true,
    done: async (world) => world.set('device west,3 code', await world.sealed('device west,5 code')),
    seen: [{ words: 'resume', code: 5, says: [row('device', 'west,3')] }],
  },
  {
    name: 'the ids of two rows are swapped',
    faultsOnly: true,
    done: async (world) => {
      for (const [from, to] of [
        [3, 103],
        [4, 3],
        [103, 4],
      ])
        await world.exec(`update account set id = ${to} where id = ${from}`);
    },
    seen: [{ words: 'resume', code: 5, says: [row('account', 3), row('account', 4)] }],
  },
  {
    name: 'the id of a row is changed',
    done: (world) => world.exec('update account set id = 103 where id = 3'),
    seen: [{ words: 'resume', code: 5, says: [row('account', 103)] }],
  },
  {
    name: 'a value is restored from a backup under the old key',
    faultsOnly: true,
    done: (world) => world.reseal('old', 'mailbox m003 password', 'device west,3 code'),
    seen: [{ words: 'resume', code: 0 }],
  },
  {
    name: 'a value is encrypted again with the new key',
    done: (world) => world.wrap('new', 'account 7 secret'),
    seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a value is empty',
    faultsOnly: true,
    done: (world) => world.set('account 7 secret', ''),
    seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a value is NULL',
    done: (world) => world.set('account 7 secret', null),
    seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a value is overwritten with garbage',
    faultsOnly: true,
    done: (world) => world.set('account 7 secret', 'garbage'),
    seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
  },
  {
    name: 'a text is stored as a blob',
    faultsOnly: true,
    only: 'sqlite',
    byEngine: true,
    done: (world) => world.exec('update account set secret = cast(secret as blob) where id = 7'),
    seen: [{ words: 'resume', code: [0, 5] }],
  },
  {
    name: 'a document is truncated',
    faultsOnly: true,
    done: (world) =>
      world.exec('update contact set details = substr(details, 1, length(details) - 4) where id = 4'),
    seen: [{ words: 'resume', code: 5, says: [row('contact', 4)] }],
  },
  {
    name: 'a value is removed from a document',
    faultsOnly: true,
    done: (world) =>
      world.exec(`update contact set details = replace(details, '"iban"', '"old"') where id = 4`),
    seen: [{ words: 'resume', code: 5, says: [row('contact', 4)] }],
  },
  {
    name: 'a ciphertext under the old key is added to a document at an undeclared path',
    done: (world) =>
      world.exec(
        `update contact set details = replace(details, '"clear"', '"${seal('detail', 'x', 'old')}"') where id = 4`,
      ),
    seen: [{ words: 'resume', code: 3, says: [/contact\.details/] }],
  },
  {
    name: 'a row is inserted under the old key',
    done: (world) => world.insert('account', 100, lateRow.plain, 'old'),
    seen: [{ words: 'resume', code: 0 }],
    truth: { [lateRow.place]: lateRow.plain },
  },
  {
    name: 'a row is inserted under the new key, so nothing proves it',
    done: (world) => world.insert('account', 100, lateRow.plain, 'new'),
    seen: [{ words: 'resume', code: 5, says: [row('account', 100)] }],
  },
  {
    name: 'a row is inserted under an unknown key',
    done: (world) => world.insert('account', 100, lateRow.plain, 'third'),
    seen: [{ words: 'resume', code: [3, 5], says: [row('account', 100)] }],
  },
  {
    name: 'two rotated rows are deleted',
    done: (world) => world.exec('delete from account where id in (3, 7)'),
    seen: [
      { words: 'resume', code: 3, says: [/account/, /\b2 rows\b/] },
      { words: 'report', code: 0, says: [/2 (rows )?deleted|2 rows .*(deleted|gone)/i] },
    ],
    truth: { 'account 3 secret': null, 'account 7 secret': null },
  },
  {
    name: 'all rows of a table are deleted',
    faultsOnly: true,
    done: (world) => world.exec('delete from mailbox'),
    seen: [{ words: 'resume', code: 3, says: [/mailbox/, /\b12 rows\b/] }],
    truth: Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`mailbox m${String(i + 1).padStart(3, '0')} password`, null]),
    ),
  },
  {
    name: 'a table is dropped',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('drop table device'),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/device/] }],
  },
  {
    name: 'the key stored in the database is replaced',
    done: (world) => world.set('app_key 1 value', seal('token', keys.third.master, 'new')),
    seen: [{ words: 'resume', code: [2, 3, 5], says: [/app_key/] }],
  },
]);
