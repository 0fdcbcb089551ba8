import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { type Place, type Store, withStore } from '../support/n8n/store.ts';

/** The application of jobs/example.yaml, written from the description in it. Shares no code with src. */

function parts(key: string): { signing: Buffer; encryption: Buffer; details: Buffer } {
  const bytes = Buffer.from(key, 'base64url');
  const details = Buffer.from(hkdfSync('sha256', bytes, '', 'address-book details', 32));
  return { signing: bytes.subarray(0, 16), encryption: bytes.subarray(16), details };
}

export function token(key: string, plain: string, time: number): string {
  const { signing, encryption } = parts(key);
  const head = Buffer.alloc(9, 0x80);
  head.writeBigUInt64BE(BigInt(time), 1);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-128-cbc', encryption, iv);
  const body = Buffer.concat([head, iv, cipher.update(plain, 'utf8'), cipher.final()]);
  const all = Buffer.concat([body, createHmac('sha256', signing).update(body).digest()]);
  return all.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Throws when the key is wrong. */
export function openToken(key: string, text: string): { plain: string; time: number } {
  const { signing, encryption } = parts(key);
  const bytes = Buffer.from(text, 'base64url');
  const body = bytes.subarray(0, -32);
  if (!createHmac('sha256', signing).update(body).digest().equals(bytes.subarray(-32)))
    throw new Error('HMAC');
  const decipher = createDecipheriv('aes-128-cbc', encryption, body.subarray(9, 25));
  const plain = decipher.update(body.subarray(25), undefined, 'utf8') + decipher.final('utf8');
  return { plain, time: Number(body.readBigUInt64BE(1)) };
}

export function detail(key: string, plain: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', parts(key).details, nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `enc:${sealed.toString('base64')}`;
}

/** Throws when the key is wrong. */
export function openDetail(key: string, text: string): string {
  const bytes = Buffer.from(text.slice('enc:'.length), 'base64');
  const decipher = createDecipheriv('aes-256-gcm', parts(key).details, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
}

const mailboxes = 120;
const contacts = 150;
const firstTime = 1_500_000_000;

function detailsOf(i: number, seal: (plain: string) => string): string | null {
  if (i % 10 === 0) return null;
  if (i % 10 === 1) return '{"bank":{"iban":"DE00 in clear"},"notes":[]}';
  // A spelling that a JSON writer would change.
  return `{ "big": 12345678901234567890, "bank":{"iban":"${seal(`IBAN ${i} ß`)}","bic":"B"},
    "notes":[{"text":"${seal(i % 3 === 0 ? '' : `note ${i}`).replaceAll('/', '\\/')}"}, "enc: is no secret"]}`;
}

export async function fillAddressBook(place: Place, key: string): Promise<void> {
  await withStore(place, async (store) => {
    await store.run('create table mailbox (id integer primary key, address text not null, password text)');
    await store.run('create table contact (id integer primary key, name text not null, details text)');
    for (let i = 0; i < mailboxes; i++) {
      const password = i % 20 === 0 ? null : token(key, `password ${i} ✓`, firstTime + i);
      await store.run('insert into mailbox values (?, ?, ?)', [i, `user${i}@example.com`, password]);
    }
    for (let i = 0; i < contacts; i++) {
      const details = detailsOf(i, (plain) => detail(key, plain));
      await store.run('insert into contact values (?, ?, ?)', [i, `Contact ${i}`, details]);
    }
  });
}

/** All ciphertexts in the book, and the book with each of them replaced by a mark. */
async function contentOf(store: Store): Promise<{ tokens: string[]; details: string[]; rest: string[] }> {
  const boxes = await store.rows('select * from mailbox order by id');
  const people = await store.rows('select * from contact order by id');
  const sealed = /enc:[A-Za-z0-9+=\\/]{20,}/g;
  return {
    tokens: boxes.flatMap(({ password }) => (password === null ? [] : [String(password)])),
    details: people
      .flatMap(({ details }) => String(details).match(sealed) ?? [])
      .map((text) => text.replaceAll('\\', '')),
    rest: [
      ...boxes.map(({ id, address }) => `${id} ${address}`),
      ...people.map(
        ({ id, name, details }) => `${id} ${name} ${String(details).replace(sealed, '<sealed>')}`,
      ),
    ],
  };
}

/** The decrypted content of the book, to compare before and after. Throws when a value has another key. */
export async function readAddressBook(
  place: Place,
  key: string,
): Promise<{ secrets: unknown[]; rest: string[] }> {
  return withStore(place, async (store) => {
    const { tokens, details, rest } = await contentOf(store);
    return {
      secrets: [
        ...tokens.map((text) => openToken(key, text)),
        ...details.map((text) => openDetail(key, text)),
      ],
      rest,
    };
  });
}

/** Number of values that this key decrypts. */
export async function countUnder(place: Place, key: string): Promise<number> {
  const opens = (open: () => unknown): boolean => {
    try {
      open();
      return true;
    } catch {
      return false;
    }
  };
  return withStore(place, async (store) => {
    const { tokens, details } = await contentOf(store);
    const under = [
      ...tokens.map((text) => opens(() => openToken(key, text))),
      ...details.map((text) => opens(() => openDetail(key, text))),
    ];
    return under.filter(Boolean).length;
  });
}
