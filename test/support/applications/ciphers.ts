import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  pbkdf2Sync,
  randomBytes,
  scryptSync,
} from 'node:crypto';
import { bytesFor } from '../random.ts';

/** Ciphers of libraries and applications, written from their sources once more, one value at a time. */
export interface Cipher {
  seal(plain: string): string | Buffer;
  /** Throws if the key or the value is wrong. */
  open(stored: string | Buffer): string;
}

function textOf(stored: string | Buffer): string {
  return typeof stored === 'string' ? stored : stored.toString('latin1');
}

function gcm(key: Buffer, iv: Buffer, plain: string | Buffer): { sealed: Buffer; tag: Buffer } {
  const cipher = createCipheriv(`aes-${8 * key.length}-gcm` as CipherGCMTypes, key, iv);
  return {
    sealed: Buffer.concat([cipher.update(plain as string, 'utf8'), cipher.final()]),
    tag: cipher.getAuthTag(),
  };
}

function ungcm(key: Buffer, iv: Buffer, sealed: Buffer, tag: Buffer): string {
  const decipher = createDecipheriv(`aes-${8 * key.length}-gcm` as CipherGCMTypes, key, iv);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
}

function cbc(key: Buffer, iv: Buffer, plain: string): Buffer {
  const cipher = createCipheriv(`aes-${8 * key.length}-cbc`, key, iv);
  return Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
}

function uncbc(key: Buffer, iv: Buffer, sealed: Buffer): string {
  const decipher = createDecipheriv(`aes-${8 * key.length}-cbc`, key, iv);
  return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
}

export type Part = 'iv' | 'sealed' | 'tag';

/** AES-GCM, its parts one after the other in base64, or in `encoding` with a separator. */
export function gcmParts(
  key: Buffer,
  order: readonly Part[],
  { iv: ivBytes = 12, encoding = 'base64' as BufferEncoding, by = '', prefix = '' } = {},
): Cipher {
  return {
    seal(plain) {
      const iv = randomBytes(ivBytes);
      const { sealed, tag } = gcm(key, iv, plain);
      const parts = order.map((part) => ({ iv, sealed, tag })[part]);
      return (
        prefix +
        (by === ''
          ? Buffer.concat(parts).toString(encoding)
          : parts.map((part) => part.toString(encoding)).join(by))
      );
    },
    open(stored) {
      const text = textOf(stored);
      if (!text.startsWith(prefix)) throw new Error('no prefix');
      const rest = text.slice(prefix.length);
      let parts: Buffer[];
      if (by === '') {
        const bytes = Buffer.from(rest, encoding);
        const lengths = { iv: ivBytes, tag: 16, sealed: bytes.length - ivBytes - 16 };
        let at = 0;
        parts = order.map((part) => {
          at += lengths[part];
          return bytes.subarray(at - lengths[part], at);
        });
      } else parts = rest.split(by).map((part) => Buffer.from(part, encoding));
      const of = (part: Part): Buffer => parts[order.indexOf(part)] as Buffer;
      return ungcm(key, of('iv'), of('sealed'), of('tag'));
    },
  };
}

/** AES-CBC: the IV, then the ciphertext. */
export function cbcParts(key: Buffer, encoding: BufferEncoding | 'raw', by = ''): Cipher {
  return {
    seal(plain) {
      const iv = bytesFor(16, key, plain);
      const sealed = cbc(key, iv, plain);
      if (encoding === 'raw') return Buffer.concat([iv, sealed]);
      if (by !== '') return iv.toString(encoding) + by + sealed.toString(encoding);
      return Buffer.concat([iv, sealed]).toString(encoding);
    },
    open(stored) {
      if (by !== '') {
        const [iv = '', sealed = ''] = textOf(stored).split(by);
        return uncbc(
          key,
          Buffer.from(iv, encoding as BufferEncoding),
          Buffer.from(sealed, encoding as BufferEncoding),
        );
      }
      const bytes = encoding === 'raw' ? (stored as Buffer) : Buffer.from(textOf(stored), encoding);
      return uncbc(key, bytes.subarray(0, 16), bytes.subarray(16));
    },
  };
}

/** https://github.com/fernet/spec; a SHA-512 key (AWX) makes it AES-256. */
export function fernetCipher(key: Buffer): Cipher {
  const half = key.length / 2;
  const [signing, encrypting] = [key.subarray(0, half), key.subarray(half)];
  return {
    seal(plain) {
      const time = Buffer.from([0x80, 0, 0, 0, 0, 0x65, 0, 0, 0]);
      const iv = randomBytes(16);
      const body = Buffer.concat([time, iv, cbc(encrypting, iv, plain)]);
      const mac = createHmac('sha256', signing).update(body).digest();
      return Buffer.concat([body, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    },
    open(stored) {
      const bytes = Buffer.from(textOf(stored), 'base64url');
      const [body, mac] = [bytes.subarray(0, -32), bytes.subarray(-32)];
      if (bytes[0] !== 0x80 || !createHmac('sha256', signing).update(body).digest().equals(mac))
        throw new Error('not a token of this key');
      return uncbc(encrypting, body.subarray(9, 25), body.subarray(25));
    },
  };
}

/** Illuminate\Encryption\Encrypter. */
export function laravelCipher(appKey: string, mode: 'cbc' | 'gcm'): Cipher {
  const key = Buffer.from(appKey.slice('base64:'.length), 'base64');
  const macOf = (iv: string, value: string): string =>
    createHmac('sha256', key)
      .update(iv + value)
      .digest('hex');
  return {
    seal(plain) {
      const iv = randomBytes(mode === 'cbc' ? 16 : 12);
      const { sealed, tag } =
        mode === 'cbc' ? { sealed: cbc(key, iv, plain), tag: null } : gcm(key, iv, plain);
      const [iv64, value] = [iv.toString('base64'), sealed.toString('base64')];
      const mac = mode === 'cbc' ? macOf(iv64, value) : '';
      const json = JSON.stringify({ iv: iv64, value, mac, tag: tag?.toString('base64') ?? '' });
      return Buffer.from(json).toString('base64');
    },
    open(stored) {
      const { iv, value, mac, tag } = JSON.parse(Buffer.from(textOf(stored), 'base64').toString());
      const [ivBytes, sealed] = [Buffer.from(iv, 'base64'), Buffer.from(value, 'base64')];
      if (mode === 'gcm') return ungcm(key, ivBytes, sealed, Buffer.from(tag, 'base64'));
      if (mac !== macOf(iv, value)) throw new Error('the MAC is invalid');
      return uncbc(key, ivBytes, sealed);
    },
  };
}

/** crypto-js with a passphrase: OpenSSL's frame, EVP_BytesToKey with MD5. */
export function cryptoJsCipher(passphrase: string): Cipher {
  const derive = (salt: Buffer): [key: Buffer, iv: Buffer] => {
    const blocks: Buffer[] = [];
    for (let i = 0; i < 3; i++)
      blocks.push(
        createHash('md5')
          .update(Buffer.concat([blocks[i - 1] ?? Buffer.alloc(0), Buffer.from(passphrase), salt]))
          .digest(),
      );
    const bytes = Buffer.concat(blocks);
    return [bytes.subarray(0, 32), bytes.subarray(32)];
  };
  return {
    seal(plain) {
      const salt = bytesFor(8, passphrase, plain);
      return Buffer.concat([Buffer.from('Salted__'), salt, cbc(...derive(salt), plain)]).toString('base64');
    },
    open(stored) {
      const bytes = Buffer.from(textOf(stored), 'base64');
      if (bytes.subarray(0, 8).toString() !== 'Salted__') throw new Error('no salt');
      return uncbc(...derive(bytes.subarray(8, 16)), bytes.subarray(16));
    },
  };
}

/** AesEngine of sqlalchemy-utils: the IV is the beginning of the key; padded with asterisks, or as PKCS #7. */
export function sqlalchemyAesCipher(secret: string, padding: 'naive' | 'pkcs5'): Cipher {
  const key = createHash('sha256').update(secret).digest();
  const naive = padding === 'naive';
  return {
    seal(plain) {
      const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(!naive);
      const bytes = Buffer.from(plain);
      const filled = naive ? Buffer.alloc(16 - (bytes.length % 16), '*') : Buffer.alloc(0);
      return Buffer.concat([cipher.update(Buffer.concat([bytes, filled])), cipher.final()]).toString(
        'base64',
      );
    },
    open(stored) {
      const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(!naive);
      const bytes = Buffer.concat([decipher.update(Buffer.from(textOf(stored), 'base64')), decipher.final()]);
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      return naive ? text.replace(/\*+$/, '') : text;
    },
  };
}

/** metabase.util.encryption: AES-CBC, then HMAC-SHA512 cut to 32 bytes. */
export function metabaseCipher(secret: string, encoding: 'base64' | 'raw'): Cipher {
  const key = pbkdf2Sync(secret, '', 100_000, 64, 'sha512');
  const macOf = (body: Buffer): Buffer =>
    createHmac('sha512', key.subarray(0, 32)).update(body).digest().subarray(0, 32);
  return {
    seal(plain) {
      const iv = randomBytes(16);
      const body = Buffer.concat([iv, cbc(key.subarray(32), iv, plain)]);
      const sealed = Buffer.concat([body, macOf(body)]);
      return encoding === 'raw' ? sealed : sealed.toString('base64');
    },
    open(stored) {
      const bytes = encoding === 'raw' ? (stored as Buffer) : Buffer.from(textOf(stored), 'base64');
      const body = bytes.subarray(0, -32);
      if (!macOf(body).equals(bytes.subarray(-32))) throw new Error('the MAC is invalid');
      return uncbc(key.subarray(32), body.subarray(0, 16), body.subarray(16));
    },
  };
}

/** api/src/utils/encrypt.ts of Directus. */
export function directusCipher(secret: string): Cipher {
  return {
    seal(plain) {
      const [salt, iv] = [randomBytes(16), randomBytes(12)];
      const { sealed, tag } = gcm(scryptSync(secret, salt, 32), iv, plain);
      const parts = [salt, iv, sealed, tag].map((part) => part.toString('base64'));
      return ['1', 'scrypt', '16384', '8', '1', ...parts].join('||');
    },
    open(stored) {
      const parts = textOf(stored).split('||');
      if (parts.length !== 9 || parts.slice(0, 5).join() !== '1,scrypt,16384,8,1') throw new Error('not one');
      const [salt, iv, sealed, tag] = parts.slice(5).map((part) => Buffer.from(part, 'base64'));
      return ungcm(scryptSync(secret, salt as Buffer, 32), iv as Buffer, sealed as Buffer, tag as Buffer);
    },
  };
}

/** The object of Activepieces, as PostgreSQL's jsonb writes it. */
export function activepiecesCipher(secret: string): Cipher {
  const key = Buffer.from(secret, 'latin1');
  return {
    seal(plain) {
      const iv = bytesFor(16, key, plain);
      return `{"iv": "${iv.toString('hex')}", "data": "${cbc(key, iv, plain).toString('hex')}"}`;
    },
    open(stored) {
      const { iv, data } = JSON.parse(textOf(stored));
      return uncbc(key, Buffer.from(iv, 'hex'), Buffer.from(data, 'hex'));
    },
  };
}

/** @47ng/cloak: each value names its key. */
export function cloakCipher(keyText: string): Cipher {
  const key = Buffer.from(keyText.slice('k1.aesgcm256.'.length), 'base64url');
  const fingerprint = createHash('sha256').update(keyText).digest('hex').slice(0, 8);
  const padded = (bytes: Buffer): string =>
    bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  return {
    seal(plain) {
      const iv = randomBytes(12);
      const { sealed, tag } = gcm(key, iv, plain);
      return `v1.aesgcm256.${fingerprint}.${padded(iv)}.${padded(Buffer.concat([sealed, tag]))}`;
    },
    open(stored) {
      const [version, cipher, id, iv = '', sealed = ''] = textOf(stored).split('.');
      if (version !== 'v1' || cipher !== 'aesgcm256' || id !== fingerprint) throw new Error('another key');
      const bytes = Buffer.from(sealed, 'base64url');
      return ungcm(key, Buffer.from(iv, 'base64url'), bytes.subarray(0, -16), bytes.subarray(-16));
    },
  };
}

/** The key of a column of Lockbox, for gcmParts. */
export function lockboxKey(master: string, table: string, attribute: string): Buffer {
  const info = Buffer.concat([Buffer.alloc(32, 0xb4), Buffer.from(attribute)]);
  return Buffer.from(hkdfSync('sha384', Buffer.from(master, 'hex'), table, info, 32));
}

/** Several columns as one text, for a cipher whose parts are in several columns. */
export function packed(columns: readonly (string | Buffer)[]): string {
  return JSON.stringify(columns.map((column) => Buffer.from(column).toString('hex')));
}

/** attr_encrypted: the ciphertext, the IV and the salt are in columns of their own. */
export function attrEncryptedCipher(
  keyText: string,
  { mode, spelling, salt }: { mode: 'gcm' | 'cbc'; spelling: 'pack-m' | 'raw'; salt: boolean },
): Pick<Cipher, 'open'> {
  const bytesOf = (column: Buffer): Buffer => {
    if (spelling === 'raw') return column;
    const text = column.toString('latin1');
    if (!text.endsWith('\n') || text.split('\n').some((line) => line.length > 60))
      throw new Error('not pack("m")');
    return Buffer.from(text, 'base64');
  };
  return {
    open(stored) {
      const [sealed, iv, salted] = (JSON.parse(textOf(stored)) as string[]).map((hex) =>
        Buffer.from(hex, 'hex'),
      );
      if (salt && salted?.subarray(0, 1).toString() !== '_') throw new Error('not a salt');
      const key =
        salt && salted !== undefined
          ? pbkdf2Sync(keyText, bytesOf(salted.subarray(1)), 2000, 32, 'sha1')
          : Buffer.from(keyText, 'hex');
      const [bytes, ivBytes] = [bytesOf(sealed as Buffer), bytesOf(iv as Buffer)];
      return mode === 'gcm'
        ? ungcm(key, ivBytes, bytes.subarray(0, -16), bytes.subarray(-16))
        : uncbc(key, ivBytes, bytes);
    },
  };
}
