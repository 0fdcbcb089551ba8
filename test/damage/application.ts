import { detail, openDetail, openToken, token } from '../commands/address-book.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { openText, sealText } from '../support/octopus/sealing.ts';
import { Random } from '../support/random.ts';

/**
 * A small application with secrets of several kinds: authenticated and not, whole values and in JSON, under the master
 * key and under a key stored in the database. Encrypts and decrypts from the facts alone: shares no code with src.
 */

export const job = `job: small
title: Small application
key: { form: base64url, bytes: [32], generate: { bytes: 32, as: base64url } }
requires: [account, mailbox, device, contact, app_key]
sourceKeys:
  - { name: legacy, table: app_key, where: { kind: legacy }, column: value, format: fernet, becomes: primary }
canary:
  - { table: account, column: secret, format: fernet }
phases:
  - name: values
    targets:
      - table: account
        fields: [{ column: secret, format: fernet, plaintext: utf8 }]
      - table: mailbox
        fields: [{ column: password, format: n8n, plaintext: utf8 }]
      - table: device
        fields: [{ column: code, format: octopus, plaintext: utf8 }]
      - table: contact
        fields:
          - column: details
            document: { json: [.bank.iban, '.notes[0].text'] }
            format:
              aes-gcm:
                layout: [nonce 12, ciphertext, tag 16]
                prefix: 'enc:'
                key: { hkdf: { hash: sha256, info: address-book details } }
            plaintext: utf8
  - name: keys
    targets:
      - table: app_key
        fields: [{ column: value, format: fernet, becomes: primary }]
`;

export type Kind = 'token' | 'legacy' | 'octopus' | 'detail';
/** Which keys a value is under: those before the run, those after it, or unknown ones. */
export type Side = 'old' | 'new' | 'third';

interface Keys {
  readonly master: string;
  /** Of mailboxes; stored in app_key. A rotation replaces it by the new master key. */
  readonly legacy: string;
}

/** The same keys in every run, so that what opens by chance is the same too. */
const random = new Random('keys of the damages');
const made = (): string => `${random.bytes(32).toString('base64url')}=`;
const newKey = made();
const thirdKey = made();
export const keys: Readonly<Record<Side, Keys>> = {
  old: { master: made(), legacy: `the legacy key ${random.bytes(6).toString('hex')}` },
  new: { master: newKey, legacy: newKey },
  third: { master: thirdKey, legacy: thirdKey },
};

export function seal(kind: Kind, plain: string, side: Side): string {
  const { master, legacy } = keys[side];
  if (kind === 'token') return token(master, plain, 1_500_000_000);
  if (kind === 'detail') return detail(master, plain);
  // Salt and IV come from the plaintext, so that no outcome depends on chance
  const fixed = Buffer.from(plain.padEnd(16)).subarray(-16);
  return kind === 'legacy'
    ? sealLegacy(plain, legacy, fixed.subarray(8))
    : sealText(Buffer.from(plain), Buffer.from(master, 'base64url'), fixed);
}

/** Null: it does not decrypt, or not to printable text. */
export function open(kind: Kind, sealed: string, side: Side): string | null {
  try {
    const plain = opened(kind, sealed, keys[side]);
    return Buffer.from(plain).includes(0xfffd) || /^[\x20-\x7e]*$/.test(plain) === false ? null : plain;
  } catch {
    return null;
  }
}

function opened(kind: Kind, sealed: string, { master, legacy }: Keys): string {
  if (kind === 'token') return openToken(master, sealed).plain;
  if (kind === 'detail') return openDetail(master, sealed);
  if (kind === 'legacy') return openLegacy(sealed, legacy).toString('utf8');
  const plain = openText(sealed, Buffer.from(master, 'base64url'));
  if (plain === undefined) throw new Error('it does not decrypt');
  return plain.toString('utf8');
}

export const rowsPerTable = 12;

/** No output may contain it. */
const plainOf = (table: string, id: string): string => `plain-${table}-${id}-of-a-secret`;

export interface Table {
  readonly name: string;
  readonly columns: string;
  readonly id: readonly string[];
  readonly column: string;
  readonly kind: Kind;
}

export const tables: readonly Table[] = [
  {
    name: 'account',
    columns: 'id integer primary key, name text not null, secret text, note text',
    id: ['id'],
    column: 'secret',
    kind: 'token',
  },
  {
    name: 'mailbox',
    columns: 'id varchar(20) primary key, address text not null, password text',
    id: ['id'],
    column: 'password',
    kind: 'legacy',
  },
  {
    name: 'device',
    columns: 'site varchar(20) not null, number integer not null, code text, primary key (site, number)',
    id: ['site', 'number'],
    column: 'code',
    kind: 'octopus',
  },
  {
    name: 'contact',
    columns: 'id integer primary key, name text not null, details text',
    id: ['id'],
    column: 'details',
    kind: 'detail',
  },
  {
    name: 'app_key',
    columns: 'id integer primary key, kind varchar(20) not null, value text',
    id: ['id'],
    column: 'value',
    kind: 'token',
  },
];

export function tableOf(name: string): Table {
  const table = tables.find((each) => each.name === name);
  if (table === undefined) throw new Error(`there is no table ${name}`);
  return table;
}

/** The rows of a new database, in the order of the columns. */
export function rowsOf(name: string): (string | number | null)[][] {
  const { kind } = tableOf(name);
  if (name === 'app_key') return [[1, 'legacy', seal(kind, keys.old.legacy, 'old')]];
  return Array.from({ length: rowsPerTable }, (_, i) => {
    const id = i + 1;
    const value = seal(kind, plainOf(name, String(id)), 'old');
    if (name === 'account') return [id, `account ${id}`, value, 'a note in clear'];
    if (name === 'mailbox') return [mailboxId(id), `m${id}@example.com`, value];
    if (name === 'device') return [id % 2 === 0 ? 'east' : 'west', id, value];
    const note = seal(kind, plainOf('note', String(id)), 'old');
    return [id, `contact ${id}`, `{ "bank": {"iban":"${value}"}, "notes": [{"text":"${note}"}, "clear"] }`];
  });
}

export const mailboxId = (n: number): string => `m${String(n).padStart(3, '0')}`;

export type Cells = Readonly<Record<string, unknown>>;

/** Where a secret is: `account 3 secret`, `contact 3 details.bank.iban`. */
export type Place = string;

/** The ciphertexts of a row by their places; of an unreadable document: none. */
export function ciphertexts(table: Table, row: Cells): Map<Place, string> {
  const at = `${table.name} ${table.id.map((column) => row[column]).join(',')} ${table.column}`;
  const cell = row[table.column];
  const value = Buffer.isBuffer(cell) ? cell.toString('latin1') : cell;
  if (typeof value !== 'string') return new Map();
  if (table.name !== 'contact') return new Map([[at, value]]);
  try {
    const { bank, notes } = JSON.parse(value);
    const leaves: [Place, unknown][] = [
      [`${at}.bank.iban`, bank?.iban],
      [`${at}.notes[0].text`, notes?.[0]?.text],
    ];
    return new Map(leaves.filter((leaf): leaf is [Place, string] => typeof leaf[1] === 'string'));
  } catch {
    return new Map();
  }
}

/** Every secret as it must be after the run. */
export function truth(): Map<Place, string> {
  const said = new Map<Place, string>([['app_key 1 value', keys.new.master]]);
  for (let n = 1; n <= rowsPerTable; n++) {
    said.set(`account ${n} secret`, plainOf('account', String(n)));
    said.set(`mailbox ${mailboxId(n)} password`, plainOf('mailbox', String(n)));
    said.set(`device ${n % 2 === 0 ? 'east' : 'west'},${n} code`, plainOf('device', String(n)));
    said.set(`contact ${n} details.bank.iban`, plainOf('contact', String(n)));
    said.set(`contact ${n} details.notes[0].text`, plainOf('note', String(n)));
  }
  return said;
}
