import type { Constant, DescriptionFile, KeyStep } from './description.ts';

type Known = Omit<DescriptionFile, 'name' | 'layers' | 'key' | 'aad'> &
  Partial<Pick<DescriptionFile, 'layers' | 'key' | 'aad'>>;

/** The APP_KEY, `base64:…` or 16 or 32 characters. */
const laravelKey: readonly KeyStep[] = ['utf8', { strip: 'base64:', decode: 'base64' }];

/** Laravel's Illuminate\Encryption\Encrypter with a CBC cipher; all versions, also without `tag`. */
const laravelCbc = (bits: 128 | 256): Known => ({
  layers: ['base64'],
  json: { iv: 'iv 16 base64', value: 'ciphertext base64', mac: 'mac 32 hex' },
  cipher: `aes-${bits}-cbc`,
  key: laravelKey,
  mac: { hash: 'sha256', over: ['iv text', 'ciphertext text'] },
});

const laravelGcm = (bits: 128 | 256): Known => ({
  layers: ['base64'],
  json: { iv: 'iv 12 base64', value: 'ciphertext base64', tag: 'tag 16 base64' },
  cipher: `aes-${bits}-gcm`,
  key: laravelKey,
});

/** OpenSSL's `Salted__` frame; the key and the IV are cut out of 48 derived bytes. */
const salted = (derive: KeyStep): Known => ({
  layers: ['base64'],
  parts: [{ text: 'Salted__' }, 'salt 8', 'ciphertext'],
  cipher: 'aes-256-cbc',
  key: ['utf8', derive, { slice: [0, 32] }],
  iv: { key: ['utf8', derive, { slice: [32, 48] }] },
});

const part = { part: 'salt' } as const;
const evp = (hash: 'md5' | 'sha256'): KeyStep => ({
  'evp-bytes-to-key': { hash, salt: part, iterations: 1, bytes: 48 },
});

/** Fernet's layout under a key that is derived otherwise: 16 bytes for the HMAC, then 16 for AES. */
const fernetUnder = (...key: readonly KeyStep[]): Known => ({
  layers: ['base64url'],
  parts: [{ hex: '80' }, 'kept 8', 'iv 16', 'ciphertext', 'mac 32'],
  cipher: 'aes-128-cbc',
  key: [...key, { slice: [16] }],
  mac: { hash: 'sha256', over: ['before'], key: [...key, { slice: [0, 16] }] },
});

/** Rails' ActiveRecord::Encryption with AES-256-GCM; keys from the text of primary_key, or deterministic_key, and the salt. */
const rails = (hash: 'sha1' | 'sha256'): Known => ({
  json: { p: 'ciphertext base64', 'h.iv': 'iv 12 base64', 'h.at': 'tag 16 base64' },
  cipher: 'aes-256-gcm',
  key: ['utf8', { pbkdf2: { hash, salt: { key: 'salt' }, iterations: 65_536, bytes: 32 } }],
});

/** AWX: a Fernet token with AES-256 in base64; the key depends on the row, if it has one, and on the name of the field. */
const awx = (...of: readonly Constant[]): Known => {
  const key: readonly KeyStep[] = ['utf8', { append: of.flat() as Constant }, 'sha512'];
  return {
    layers: [{ prefix: '$encrypted$UTF8$AESCBC$' }, 'base64', 'base64url'],
    parts: [{ hex: '80' }, 'kept 8', 'iv 16', 'ciphertext', 'mac 32'],
    cipher: 'aes-256-cbc',
    key: [...key, { slice: [32, 64] }],
    mac: { hash: 'sha256', over: ['before'], key: [...key, { slice: [0, 32] }] },
  };
};

/** Spring Security's Encryptors: a password, and a salt in hex (the further key `salt`). */
const springKey: readonly KeyStep[] = [
  'utf8',
  { pbkdf2: { hash: 'sha1', salt: { key: 'salt' }, iterations: 1024, bytes: 32 } },
];

const twenty = (scope: Constant): Known => ({
  separated: {
    by: ':',
    parts: [{ text: 'enc' }, { text: 'v2' }, 'key-id 4 hex', 'iv 12 + ciphertext + tag 16 base64'],
  },
  cipher: 'aes-256-gcm',
  key: [
    'utf8',
    {
      hkdf: {
        hash: 'sha256',
        salt: { hex: '00'.repeat(32) },
        info: ['twenty:enc:v2:', ...[scope].flat()] as Constant,
        bytes: 32,
      },
    },
  ],
  keyId: ['utf8', 'sha256', { slice: [0, 4] }],
});

const metabaseKey: KeyStep = { pbkdf2: { hash: 'sha512', salt: '', iterations: 100_000, bytes: 64 } };
const jasyptKey: KeyStep = { pbkdf2: { hash: 'sha512', salt: part, iterations: 1000, bytes: 32 } };
const nextcloudKey: KeyStep = { hkdf: { hash: 'sha512', salt: '', info: '', bytes: 64 } };
const sha256Of: readonly KeyStep[] = ['utf8', 'sha256'];

/** sqlalchemy-utils' AesEngine: the IV is the beginning of the key, so equal plaintexts have equal ciphertexts. */
const sqlalchemyAes = (padding: 'star' | 'pkcs7' | 'x923' | 'iso7816'): Known => ({
  layers: ['base64'],
  parts: ['ciphertext'],
  cipher: 'aes-256-cbc',
  padding,
  key: sha256Of,
  iv: { key: [...sha256Of, { slice: [0, 16] }] },
});

/** As the sources of the libraries and applications, and the values in test/vectors/, have them. */
const known: Readonly<Record<string, Known>> = {
  laravel: laravelCbc(256),
  'laravel-aes-128-cbc': laravelCbc(128),
  'laravel-aes-256-gcm': laravelGcm(256),
  'laravel-aes-128-gcm': laravelGcm(128),
  'crypto-js': salted(evp('md5')),
  'openssl-sha256': salted(evp('sha256')),
  'openssl-pbkdf2': salted({ pbkdf2: { hash: 'sha256', salt: part, iterations: 10_000, bytes: 48 } }),
  'typeorm-encrypted-cbc': { layers: ['base64'], parts: ['iv 16', 'ciphertext'], cipher: 'aes-256-cbc' },
  'typeorm-encrypted-gcm': {
    layers: ['base64'],
    parts: ['iv 16', 'tag 16', 'ciphertext'],
    cipher: 'aes-256-gcm',
  },
  'sequelize-encrypted': { parts: ['iv 16', 'ciphertext'], cipher: 'aes-256-cbc' },
  'sqlalchemy-aes': sqlalchemyAes('star'),
  'sqlalchemy-aes-pkcs5': sqlalchemyAes('pkcs7'),
  'sqlalchemy-aes-zeroes': sqlalchemyAes('x923'),
  'sqlalchemy-aes-oneandzeroes': sqlalchemyAes('iso7816'),
  'sqlalchemy-aes-gcm': {
    layers: ['base64'],
    parts: ['iv 12', 'tag 16', 'ciphertext'],
    cipher: 'aes-256-gcm',
    key: sha256Of,
  },
  'sqlalchemy-fernet': fernetUnder(...sha256Of),
  'django-fernet-fields': fernetUnder('utf8', {
    hkdf: {
      hash: 'sha256',
      salt: 'django-fernet-fields-hkdf-salt',
      info: 'django-fernet-fields',
      bytes: 32,
    },
  }),
  rails: rails('sha256'),
  'rails-sha1': rails('sha1'),
  'rails-deterministic': { ...rails('sha256'), iv: { hmac: 'sha256' } },
  'rails-deterministic-sha1': { ...rails('sha1'), iv: { hmac: 'sha256' } },
  awx: awx({ column: 'id' }, { place: 'member' }),
  'awx-survey': awx('value'),
  metabase: {
    layers: ['base64'],
    parts: ['iv 16', 'ciphertext', 'mac 32'],
    cipher: 'aes-256-cbc',
    key: ['utf8', metabaseKey, { slice: [32, 64] }],
    mac: { hash: 'sha512', over: ['before'], key: ['utf8', metabaseKey, { slice: [0, 32] }] },
  },
  'jasypt-aes-256': {
    layers: ['base64'],
    parts: ['salt 16', 'iv 16', 'ciphertext'],
    cipher: 'aes-256-cbc',
    key: ['utf8', jasyptKey],
  },
  cloak: {
    separated: {
      by: '.',
      parts: [
        { text: 'v1' },
        { text: 'aesgcm256' },
        'key-id 4 hex',
        'iv 12 base64url',
        'ciphertext + tag 16 base64url',
      ],
    },
    cipher: 'aes-256-gcm',
    key: ['utf8', { strip: 'k1.aesgcm256.' }, 'base64url'],
    keyId: ['utf8', 'sha256', { slice: [0, 4] }],
  },
  cryptr: {
    layers: ['hex'],
    parts: ['salt 64', 'iv 16', 'tag 16', 'ciphertext'],
    cipher: 'aes-256-gcm',
    key: [
      'utf8',
      // The salt is used as the text of its hex digits in versions before 6
      { pbkdf2: { hash: 'sha512', salt: part, iterations: 100_000, bytes: 32 } },
    ],
  },
  nextcloud: {
    separated: { by: '|', parts: ['ciphertext hex', 'iv 16 hex', 'mac 64 hex', { text: '3' }] },
    cipher: 'aes-128-cbc',
    key: [
      'utf8',
      nextcloudKey,
      { slice: [0, 32] },
      { pbkdf2: { hash: 'sha1', salt: 'phpseclib', iterations: 1000, bytes: 16 } },
    ],
    mac: {
      hash: 'sha512',
      over: ['ciphertext text', 'iv text'],
      key: ['utf8', nextcloudKey, { slice: [32, 64] }, { append: 'a' }, 'sha512', 'to-hex'],
    },
  },
  'mysql-aes': { parts: ['ciphertext'], cipher: 'aes-128-ecb', key: ['utf8', { fold: 16 }] },
  secretbox: {
    layers: ['base64'],
    parts: ['iv 24', 'tag 16', 'ciphertext'],
    cipher: 'xsalsa20-poly1305',
  },
  xchacha20: {
    layers: ['base64'],
    parts: ['iv 24', 'ciphertext', 'tag 16'],
    cipher: 'xchacha20-poly1305',
  },
  'rails-message-gcm': {
    separated: { by: '--', parts: ['ciphertext base64', 'iv 12 base64', 'tag 16 base64'] },
    cipher: 'aes-256-gcm',
  },
  langfuse: {
    separated: { by: ':', parts: ['iv 12 hex', 'ciphertext hex', 'tag 16 hex'] },
    cipher: 'aes-256-gcm',
  },
  'hex-iv-cbc': {
    separated: { by: ':', parts: ['iv 16 hex', 'ciphertext hex'] },
    cipher: 'aes-256-cbc',
    key: ['latin1'],
  },
  /** A JSON object, in a column of type json. */
  activepieces: {
    json: { iv: 'iv 16 hex', data: 'ciphertext hex' },
    cipher: 'aes-256-cbc',
    key: ['latin1'],
  },
  strapi: {
    layers: [{ prefix: 'v1:' }],
    separated: { by: ':', parts: ['iv 16 hex', 'ciphertext hex', 'tag 16 hex'] },
    cipher: 'aes-256-gcm',
    key: sha256Of,
  },
  directus: {
    separated: {
      by: '||',
      parts: [
        ...[{ text: '1' }, { text: 'scrypt' }, { text: '16384' }, { text: '8' }, { text: '1' }],
        ...['salt 16 base64', 'iv 12 base64', 'ciphertext base64', 'tag 16 base64'],
      ],
    },
    cipher: 'aes-256-gcm',
    key: ['utf8', { scrypt: { salt: part, N: 16_384, r: 8, p: 1, bytes: 32 } }],
  },
  'spring-gcm': {
    layers: ['hex'],
    parts: ['iv 16', 'ciphertext', 'tag 16'],
    cipher: 'aes-256-gcm',
    key: springKey,
  },
  'spring-cbc': { layers: ['hex'], parts: ['iv 16', 'ciphertext'], cipher: 'aes-256-cbc', key: springKey },
  /** GitLab's *_token_encrypted: the IV follows from the token, so that equal tokens stay equal. */
  'gitlab-token': {
    layers: [{ prefix: '|' }],
    separated: { by: '', parts: ['ciphertext + tag 16 base64', 'iv 12 text'] },
    cipher: 'aes-256-gcm',
    key: ['utf8', { slice: [0, 32] }],
    iv: { hash: 'sha256', as: 'hex' },
  },
  'node-red': {
    separated: { by: '', parts: ['iv 16 hex', 'ciphertext base64'] },
    cipher: 'aes-256-ctr',
    key: sha256Of,
  },
  /** JWE compact with direct encryption, A256GCM. */
  'jwe-dir-gcm': {
    separated: {
      by: '.',
      parts: [
        'kept base64url',
        { text: '' },
        ...['iv 12 base64url', 'ciphertext base64url', 'tag 16 base64url'],
      ],
    },
    cipher: 'aes-256-gcm',
    aad: { part: 'kept' },
  },
  twenty: twenty({ column: 'workspaceId' }),
  'twenty-instance': twenty('instance'),
  gitea: { layers: ['hex'], parts: ['iv 16', 'ciphertext'], cipher: 'aes-256-cfb', key: sha256Of },
};

/** Formats of libraries and applications, by the name that a job gives. */
export const knownDescriptions: ReadonlyMap<string, DescriptionFile> = new Map(
  Object.entries(known).map(([name, rest]) => [name, { name, layers: [], key: [], aad: '', ...rest }]),
);
