import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { describedFormat } from '../../src/formats/described/described.ts';
import { complete, type DescriptionFile, type KeyStep } from '../../src/formats/described/description.ts';
import { knownDescriptions } from '../../src/formats/described/known.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';

/** Values that other people's libraries made; `judge` names the library and its version. */
interface Vector {
  readonly [field: string]: string;
  readonly format: string;
  readonly plaintext: string;
}

const folder = new URL('../vectors/foreign/', import.meta.url);

function vectorsOf(file: string): readonly Vector[] {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')).vectors;
}

interface Case {
  readonly description: DescriptionFile;
  readonly key: Key;
  readonly text: string;
  readonly plain: string;
}

const known = (name: string): DescriptionFile => {
  const found = knownDescriptions.get(name);
  if (found === undefined) throw new Error(`no known format ${name}`);
  return found;
};
const own = (
  rest: Omit<DescriptionFile, 'layers' | 'key' | 'aad'> & Partial<DescriptionFile>,
): DescriptionFile => ({ layers: [], key: [], aad: '', ...rest });
const textKey = (text = ''): Key => Key.fromText(text);
const hexKey = (text = ''): Key => Key.fromBytes(Buffer.from(text, 'hex'), text);
const latin1 = (base64 = ''): string => Buffer.from(base64, 'base64').toString('latin1');

const springQueryable = own({
  layers: ['hex'],
  parts: ['ciphertext'],
  cipher: 'aes-256-cbc',
  iv: { hex: '00'.repeat(16) },
  key: ['utf8', { pbkdf2: { hash: 'sha1', salt: { hex: '5c0744940b5c369b' }, iterations: 1024, bytes: 32 } }],
});

const activeRecord = ({ digest, salt = '', iterations, deterministic }: Vector): DescriptionFile =>
  own({
    json: { p: 'ciphertext base64', 'h.iv': 'iv 12 base64', 'h.at': 'tag 16 base64' },
    cipher: 'aes-256-gcm',
    ...((deterministic as unknown) === true && { iv: { hmac: 'sha256' } }),
    key: [
      'utf8',
      {
        pbkdf2: {
          hash: digest?.toLowerCase() as 'sha1' | 'sha256',
          salt,
          iterations: Number(iterations),
          bytes: 32,
        },
      },
    ],
  });

const opensslDerive = (format: string): KeyStep =>
  format.includes('sha512')
    ? { pbkdf2: { hash: 'sha512', salt: { part: 'salt' }, iterations: 100_000, bytes: 48 } }
    : { pbkdf2: { hash: 'sha256', salt: { part: 'salt' }, iterations: 10_000, bytes: 48 } };

const lockbox = ({ table = '', attribute = '', algorithm }: Vector, padded: boolean): DescriptionFile =>
  own({
    layers: ['base64'],
    parts: ['iv 12', 'ciphertext', 'tag 16'],
    cipher: 'aes-256-gcm',
    ...(padded && { padding: 'iso7816' }),
    key: [
      {
        hkdf: {
          hash: 'sha384',
          salt: table,
          info: { hex: 'b4'.repeat(32) + Buffer.from(attribute).toString('hex') },
          bytes: 32,
        },
      },
    ],
    ...(algorithm !== undefined && { name: algorithm }),
  });

/** The columns of an attribute; its IV and salt are always base64. */
function attrEncrypted(v: Vector): Case {
  const isGcm = v.algorithm === 'aes-256-gcm';
  const isEncoded = String(v.encode) === 'true';
  const salt = v.encrypted_token_salt as string | null;
  const spelling = isEncoded ? 'pack-m' : 'raw';
  const value = isEncoded ? (v.encrypted_token ?? '') : latin1(v.encrypted_token_base64);
  const derive: KeyStep = {
    pbkdf2: { hash: 'sha1', salt: { part: 'salt' }, iterations: 2000, bytes: 32 },
  };
  return {
    description: own({
      columns: [
        `ciphertext${isGcm ? ' + tag 16' : ''} ${spelling}`,
        `iv ${isGcm ? 12 : 16} pack-m`,
        ...(salt === null ? [] : [{ prefix: '_', part: 'salt 16 pack-m' }]),
      ],
      cipher: isGcm ? 'aes-256-gcm' : 'aes-256-cbc',
      key: salt === null ? ['utf8'] : ['utf8', derive],
    }),
    key: textKey(v.key),
    text: JSON.stringify([value, v.encrypted_token_iv, ...(salt === null ? [] : [salt])]),
    plain: v.plaintext,
  };
}

/** How each file's values are described. Null: not yet; the reason is in `beyond`. */
const cases: Readonly<Record<string, (vector: Vector) => Case | null>> = {
  '47ng-cloak.json': (v) => simple(v, known('cloak'), textKey(v.key)),
  'bouncycastle-metabase.json': (v) => simple(v, known('metabase'), textKey(v.key)),
  'crypto-js.json': (v) =>
    v.iv === undefined
      ? simple(v, known('crypto-js'), textKey(v.key))
      : simple(
          v,
          own({ layers: ['base64'], parts: ['ciphertext'], cipher: 'aes-256-cbc', iv: { hex: v.iv } }),
          hexKey(v.key),
        ),
  'cryptr.json': (v) => simple(v, known('cryptr'), textKey(v.key)),
  'jce-spring.json': (v) =>
    v.format.includes('queryable')
      ? simple(v, springQueryable, textKey(v.key))
      : simple(
          v,
          known(v.format.includes('delux') ? 'spring-gcm' : 'spring-cbc'),
          salted(textKey(v.key), hexKey('5c0744940b5c369b')),
        ),
  'libjasypt-java.json': (v) =>
    v.algorithm === 'PBEWithHMACSHA512AndAES_256'
      ? simple(
          v,
          v.format.includes('hex')
            ? { ...known('jasypt-aes-256'), layers: ['hex'] }
            : known('jasypt-aes-256'),
          textKey(v.key),
        )
      : null,
  'mariadb-aes.json': (v) => ({
    ...simple(v, known('mysql-aes'), textKey(v.key)),
    text: Buffer.from(v.ciphertextHex ?? '', 'hex').toString('latin1'),
  }),
  'node-laravel-encryptor.json': (v) => simple(v, known('laravel'), textKey(v.key)),
  'npm-fernet.json': (v) =>
    simple(
      v,
      own({
        layers: ['base64url'],
        parts: [{ hex: '80' }, 'kept 8', 'iv 16', 'ciphertext', 'mac 32'],
        cipher: 'aes-128-cbc',
        key: [{ slice: [16] }],
        mac: { hash: 'sha256', over: ['before'], key: [{ slice: [0, 16] }] },
      }),
      Key.fromBytes(Buffer.from(v.key ?? '', 'base64url'), v.key),
    ),
  'openssl-enc.json': (v) =>
    v.format.includes('pbkdf2 (') || v.format.includes('-iter')
      ? simple(v, { ...known('openssl-pbkdf2'), ...openssl(opensslDerive(v.format)) }, textKey(v.key))
      : simple(v, known(v.format.includes('md5') ? 'crypto-js' : 'openssl-sha256'), textKey(v.key)),
  'php-illuminate-encryption.json': (v) => ({
    ...simple(v, known(laravelName(v.cipher)), textKey(v.key)),
    plain: v.stored ?? v.plaintext,
  }),
  'php-phpseclib-nextcloud.json': (v) => simple(v, known('nextcloud'), textKey(v.key)),
  'postgresql-pgcrypto.json': (v) => {
    if (v.format.includes('pgp_sym')) return null;
    const iv = v.format.includes('zero') ? '00'.repeat(16) : Buffer.from('fedcba9876543210').toString('hex');
    const description = own({ parts: ['ciphertext'], cipher: 'aes-128-cbc', iv: { hex: iv } });
    return { ...simple(v, description, hexKey(v.key)), text: latin1(v.ciphertextBase64) };
  },
  'python3-cryptography.json': (v) =>
    v.format === 'django-fernet-fields' ? simple(v, known('django-fernet-fields'), textKey(v.key)) : null,
  'npm-jose.json': jwe,
  'python3-jwcrypto.json': jwe,
  'python3-nacl.json': (v) =>
    simple(v, known(v.format.includes('secretbox') ? 'secretbox' : 'xchacha20'), hexKey(v.key)),
  'python3-sqlalchemy-utils.json': (v) => {
    const engine = v.format.split(' ')[1];
    const name =
      engine === 'AesGcmEngine'
        ? 'sqlalchemy-aes-gcm'
        : engine === 'FernetEngine'
          ? 'sqlalchemy-fernet'
          : v.padding === 'naive'
            ? 'sqlalchemy-aes'
            : `sqlalchemy-aes-${v.padding}`;
    return { ...simple(v, known(name), textKey(v.key)), plain: v.opensAs ?? v.plaintext };
  },
  'ruby-activesupport.json': (v) =>
    v.format === 'activerecord encryption'
      ? simple(v, activeRecord(v), textKey(v.primaryKey))
      : v.format.includes('gcm') && v.serializer === 'JSON'
        ? { ...simple(v, known('rails-message-gcm'), hexKey(v.key)), plain: JSON.stringify(v.plaintext) }
        : null,
  'ruby-attr-encrypted.json': (v) => (v.format === 'attr_encrypted' ? attrEncrypted(v) : null),
  'ruby-lockbox.json': (v) =>
    v.format.includes('xchacha20')
      ? simple(v, known('xchacha20'), hexKey(v.attributeKey))
      : simple(v, lockbox(v, v.format.includes('padded')), hexKey(v.masterKey)),
  'sequelize-encrypted.json': (v) => ({
    ...simple(v, known('sequelize-encrypted'), hexKey(v.key)),
    text: latin1(v.ciphertextBase64),
    plain: v.stored ?? '',
  }),
  'typeorm-encrypted.json': (v) =>
    simple(v, known(`typeorm-encrypted-${v.algorithm?.endsWith('gcm') ? 'gcm' : 'cbc'}`), hexKey(v.key)),
};

function jwe(v: Vector): Case | null {
  if (v.alg !== 'dir' || v.enc !== 'A256GCM') return null;
  return simple(v, known('jwe-dir-gcm'), Key.fromBytes(Buffer.from(v.key ?? '', 'base64url'), v.key));
}

/** A key with the further key `salt`. */
function salted(key: Key, salt: Key): Key {
  return key.with(new Map([['salt', salt]]));
}

function simple(v: Vector, description: DescriptionFile, key: Key): Case {
  return { description, key, text: v.ciphertext ?? '', plain: v.plaintext };
}

function laravelName(cipher = ''): string {
  const name = cipher.toLowerCase();
  return name === 'aes-256-cbc' ? 'laravel' : `laravel-${name}`;
}

function openssl(derive: KeyStep): Partial<DescriptionFile> {
  return { key: ['utf8', derive, { slice: [0, 32] }], iv: { key: ['utf8', derive, { slice: [32, 48] }] } };
}

test('every file of values has a description', () => {
  expect(Object.keys(cases).sort()).toEqual(readdirSync(folder).sort());
});

const all = Object.entries(cases).flatMap(([file, caseOf]) =>
  vectorsOf(file).flatMap((vector, i) => {
    const found = caseOf(vector);
    return found === null ? [] : [{ name: `${file} ${i + 1}: ${vector.format}`, ...found }];
  }),
);

const slow = /cryptr|scrypt/;
const once = all.filter(
  ({ name }, i) => all.findIndex((other) => other.name.split(': ')[1] === name.split(': ')[1]) === i,
);

describe('a described format', () => {
  test.each(all)('opens what the library made: $name', ({ description, key, text, plain }) => {
    const format = describedFormat(complete(description));
    const ring = new Keyring(key);
    expect(format.explain(text, key)).toMatchObject({ reason: '' });
    const [opening] = format.open([text], ring);
    expect(typeof opening === 'object' && opening.plain.toString('utf8')).toBe(plain);
    if (format.prefixes(ring).length > 0) expect(text.startsWith(format.prefixes(ring)[0] ?? '')).toBe(true);
  });

  test.each(once)(
    'encrypts so that it opens again, in the same layout: $name',
    ({ description, key, text, plain }) => {
      const format = describedFormat(complete(description));
      const ring = new Keyring(key);
      const [sealed = ''] = format.seal([Buffer.from(plain)], ring, [text]);
      expect(sealed.length).toBe(text.length);
      const isFixed =
        format.random || (description.iv !== undefined && !format.authenticated && !text.startsWith('U2F'));
      if (isFixed || description.cipher.endsWith('ecb')) expect(sealed).toBe(text);
      else expect(sealed).not.toBe(text);
      const [opening] = format.open([sealed], ring);
      expect(typeof opening === 'object' && opening.plain.toString('utf8')).toBe(plain);
      // The header of a JWE stays, whatever its length
      if (description.name !== 'jwe-dir-gcm')
        expect(format.sealedLength(Buffer.byteLength(plain))).toBeGreaterThanOrEqual(sealed.length);
      const [alone = ''] = format.seal([Buffer.from(plain)], ring, ['']);
      expect(format.open([alone], ring)).toEqual([opening]);
    },
  );

  test.each(once.filter(({ name }) => !slow.test(name)))(
    'notices every changed byte and another key, if it is authenticated: $name',
    ({ description, key, text }) => {
      const format = describedFormat(complete(description));
      if (!format.authenticated) return;
      const changed = Array.from(text, (character, at) => {
        const other = character === 'A' ? 'B' : 'A';
        return text.slice(0, at) + other + text.slice(at + 1);
      }).filter((each) => each !== text);
      // Case is no part of hex, and what another member of the JSON says is not covered
      const opened = format
        .open(changed, new Keyring(key))
        .flatMap((opening, i) => (typeof opening === 'object' ? [changed[i] ?? ''] : []));
      expect(
        opened.filter((each) => each.toLowerCase() !== text.toLowerCase() && !isOutside(each, text)),
      ).toEqual([]);
      const other = key.isText
        ? textKey(`${key.text.slice(0, -1)}${key.text.endsWith('x') ? 'y' : 'x'}`).with(key.parts)
        : undefined;
      const bytes = Buffer.from(key.bytes);
      bytes[3] = (bytes[3] ?? 0) ^ 1;
      expect(typeof format.open([text], new Keyring(other ?? Key.fromBytes(bytes)))[0]).toBe('string');
    },
  );
});

/** Whether two values of Laravel differ in a member that the format does not use. */
function isOutside(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => {
    try {
      const { iv, value, mac, tag } = JSON.parse(Buffer.from(text, 'base64').toString());
      return JSON.stringify({ iv, value, mac, tag });
    } catch {
      return text;
    }
  });
  return first === second;
}

test('a token of GitLab keeps its IV, which follows from the token', () => {
  const secret = `${'f'.repeat(20)}0123456789ab${'e'.repeat(96)}`;
  const key = textKey(secret);
  const iv = createHash('sha256').update('glpat-token').digest('hex').slice(0, 12);
  const cipher = createCipheriv('aes-256-gcm', secret.slice(0, 32), iv);
  const body = Buffer.concat([cipher.update('glpat-token'), cipher.final(), cipher.getAuthTag()]);
  const text = `|${body.toString('base64')}${iv}`;
  const format = describedFormat(complete(known('gitlab-token')));
  const [opening] = format.open([text], new Keyring(key));
  expect(typeof opening === 'object' && opening.plain.toString()).toBe('glpat-token');
  expect(format.seal([Buffer.from('glpat-token')], new Keyring(key), [text])).toEqual([text]);
  expect(format.open(['|short', text.slice(1), `${text}0`], new Keyring(key))).toEqual([
    'closed',
    'foreign',
    'closed',
  ]);
});

test('credentials of Node-RED have hex and base64 without anything between them', () => {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update('secret').digest(), iv);
  const text = iv.toString('hex') + cipher.update('{"a":1}', 'utf8', 'base64') + cipher.final('base64');
  const format = describedFormat(complete(known('node-red')));
  const ring = new Keyring(textKey('secret'));
  const [opening] = format.open([text], ring);
  expect(typeof opening === 'object' && opening.plain.toString()).toBe('{"a":1}');
  const [sealed = ''] = format.seal([Buffer.from('{"a":1}')], ring, [text]);
  expect(sealed).toHaveLength(text.length);
  expect(format.open([sealed], ring)).toEqual([opening]);
});
