import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** One way to store a short value. Written from the specifications, one value at a time, as an application does it. */
export interface BenchFormat {
  /** The `format` of the job's field. */
  readonly format: string;
  /** The `key` of the job. */
  readonly key: string;
  newKey(): string;
  seal(key: string, plain: string): string;
  open(key: string, sealed: string): string;
}

const bytesKey = (bytes: number, as: string) =>
  `{ form: ${as}, bytes: [${bytes}], generate: { bytes: ${bytes}, as: ${as} } }`;
const textKey = '{ form: text, trim: quotes, generate: { bytes: 24, as: base64 } }';

const octopus: BenchFormat = {
  format: 'octopus',
  key: bytesKey(32, 'base64'),
  newKey: () => randomBytes(32).toString('base64'),
  seal(key, plain) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', Buffer.from(key, 'base64'), iv);
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return `${sealed.toString('base64')}|${iv.toString('base64')}`;
  },
  open(key, text) {
    const [sealed = '', iv = ''] = text.split('|');
    const decipher = createDecipheriv('aes-256-cbc', Buffer.from(key, 'base64'), Buffer.from(iv, 'base64'));
    return decipher.update(sealed, 'base64', 'utf8') + decipher.final('utf8');
  },
};

const fernet: BenchFormat = {
  format: 'fernet',
  key: bytesKey(32, 'base64url'),
  newKey: () => randomBytes(32).toString('base64url'),
  seal(key, plain) {
    const bytes = Buffer.from(key, 'base64url');
    const head = Buffer.alloc(9, 0x80);
    head.writeBigUInt64BE(1_700_000_000n, 1);
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-128-cbc', bytes.subarray(16), iv);
    const body = Buffer.concat([head, iv, cipher.update(plain, 'utf8'), cipher.final()]);
    const mac = createHmac('sha256', bytes.subarray(0, 16)).update(body).digest();
    return Buffer.concat([body, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  },
  open(key, token) {
    const bytes = Buffer.from(key, 'base64url');
    const body = Buffer.from(token, 'base64url');
    const decipher = createDecipheriv('aes-128-cbc', bytes.subarray(16), body.subarray(9, 25));
    return decipher.update(body.subarray(25, -32), undefined, 'utf8') + decipher.final('utf8');
  },
};

function passwordKey(password: string, salt: Buffer): { key: Buffer; iv: Buffer } {
  let all = Buffer.alloc(0);
  for (let last = all; all.length < 48; all = Buffer.concat([all, last]))
    last = createHash('md5').update(last).update(password, 'latin1').update(salt).digest();
  return { key: all.subarray(0, 32), iv: all.subarray(32, 48) };
}

const n8nCbc: BenchFormat = {
  format: 'n8n',
  key: textKey,
  newKey: () => randomBytes(24).toString('base64'),
  seal(password, plain) {
    const salt = randomBytes(8);
    const { key, iv } = passwordKey(password, salt);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([
      Buffer.from('Salted__'),
      salt,
      cipher.update(plain, 'utf8'),
      cipher.final(),
    ]).toString('base64');
  },
  open(password, text) {
    const bytes = Buffer.from(text, 'base64');
    const { key, iv } = passwordKey(password, bytes.subarray(8, 16));
    const decipher = createDecipheriv('aes-256-cbc', key, iv);
    return decipher.update(bytes.subarray(16), undefined, 'utf8') + decipher.final('utf8');
  },
};

function gcmKey(key: string, salt: Buffer): { key: Buffer; iv: Buffer } {
  const input = createHash('sha256').update(key, 'utf8').digest();
  const derived = Buffer.from(hkdfSync('sha256', input, salt, 'n8n-encryption-v1', 44));
  return { key: derived.subarray(0, 32), iv: derived.subarray(32) };
}

const n8nGcm: BenchFormat = {
  format: 'n8n-wrapped',
  key: textKey,
  newKey: () => randomBytes(24).toString('base64'),
  seal(text, plain) {
    const salt = randomBytes(32);
    const { key, iv } = gcmKey(text, salt);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.of(1), salt, cipher.getAuthTag(), sealed]).toString('base64');
  },
  open(text, value) {
    const bytes = Buffer.from(value, 'base64');
    const { key, iv } = gcmKey(text, bytes.subarray(1, 33));
    const decipher = createDecipheriv('aes-256-gcm', key, iv);
    decipher.setAuthTag(bytes.subarray(33, 49));
    return decipher.update(bytes.subarray(49), undefined, 'utf8') + decipher.final('utf8');
  },
};

export const formats = { octopus, fernet, 'n8n-cbc': n8nCbc, 'n8n-gcm': n8nGcm } as const;

/** The job of the benchmark: one table with one column of values. */
export function jobOf({ format, key }: BenchFormat): string {
  return `job: bench
title: Benchmark
key: ${key}
canary: [{ table: account, column: secret, format: ${format} }]
phases:
  - name: values
    targets:
      - { table: account, fields: [{ column: secret, format: ${format}, plaintext: utf8 }] }
`;
}
