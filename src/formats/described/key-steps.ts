import { createHash, createHmac, hash, hkdfSync, pbkdf2Sync, scryptSync } from 'node:crypto';
import type { Key } from '../../keys/key.ts';
import { encodings } from '../encoding.ts';
import type { Constant, HashName, KeyStep, Salt } from './description.ts';

/** Salts whose keys are kept: a key derivation may take a quarter of a second. */
const mostKept = 1000;

/** The bytes that a list of steps makes of master keys, each once per distinct salt. */
export class DerivedKeys {
  readonly #steps: readonly KeyStep[];
  /** Whether the steps use the salt of a value. */
  readonly isSalted: boolean;
  readonly #known = new WeakMap<Key, Map<string, Buffer | undefined>>();

  constructor(steps: readonly KeyStep[]) {
    this.#steps = steps;
    this.isSalted = JSON.stringify(steps).includes('{"part":"salt"}');
  }

  /** Undefined: the key is not written as the steps expect it. */
  of(key: Key, salt: Buffer = Buffer.alloc(0)): Buffer | undefined {
    const known = this.#known.get(key) ?? new Map<string, Buffer | undefined>();
    this.#known.set(key, known);
    const name = this.isSalted ? salt.toString('latin1') : '';
    if (known.has(name)) return known.get(name);
    if (known.size >= mostKept) known.clear();
    const derived = derive(key, this.#steps, salt);
    known.set(name, derived);
    return derived;
  }
}

function derive(key: Key, steps: readonly KeyStep[], salt: Buffer): Buffer | undefined {
  let bytes: Buffer | undefined = key.bytes;
  for (const step of steps) {
    if (bytes === undefined) return undefined;
    bytes = typeof step === 'string' ? byName(step, bytes, key) : byObject(step, bytes, salt);
  }
  return bytes;
}

type NamedStep = Extract<KeyStep, string>;

function byName(step: NamedStep, bytes: Buffer, key: Key): Buffer | undefined {
  switch (step) {
    case 'utf8':
    case 'latin1':
      return Buffer.from(key.text, step);
    case 'hex':
    case 'base64':
    case 'base64url':
      return encodings[step].decode(bytes.toString('latin1'));
    case 'to-hex':
      return Buffer.from(bytes.toString('hex'), 'latin1');
    case 'to-base64':
      return Buffer.from(bytes.toString('base64'), 'latin1');
    default:
      return hash(step, bytes, 'buffer');
  }
}

function byObject(step: Exclude<KeyStep, string>, bytes: Buffer, salt: Buffer): Buffer | undefined {
  if ('strip' in step) {
    const prefix = Buffer.from(step.strip);
    if (!bytes.subarray(0, prefix.length).equals(prefix)) return bytes;
    const rest = bytes.subarray(prefix.length);
    return step.decode === undefined ? rest : encodings[step.decode].decode(rest.toString('latin1'));
  }
  if ('slice' in step) {
    const [from, to = bytes.length] = step.slice;
    return to > bytes.length ? undefined : bytes.subarray(from, to);
  }
  if ('append' in step) return Buffer.concat([bytes, constant(step.append)]);
  if ('prepend' in step) return Buffer.concat([constant(step.prepend), bytes]);
  if ('fold' in step) return folded(bytes, step.fold);
  if ('hmac' in step) return createHmac(step.hmac.hash, bytes).update(constant(step.hmac.of)).digest();
  if ('hkdf' in step) {
    const { hash: digest, info, bytes: length } = step.hkdf;
    return Buffer.from(hkdfSync(digest, bytes, saltOf(step.hkdf.salt, salt), constant(info), length));
  }
  if ('pbkdf2' in step) {
    const { hash: digest, iterations, bytes: length } = step.pbkdf2;
    return pbkdf2Sync(bytes, saltOf(step.pbkdf2.salt, salt), iterations, length, digest);
  }
  if ('scrypt' in step) {
    const { N, r, p, bytes: length } = step.scrypt;
    return scryptSync(bytes, saltOf(step.scrypt.salt, salt), length, { N, r, p, maxmem: 256 * N * r });
  }
  const { hash: digest, iterations, bytes: length, salt: from } = step['evp-bytes-to-key'];
  return evpBytesToKey(digest, bytes, saltOf(from, salt), iterations, length);
}

export function constant(value: Constant): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  return 'hex' in value ? Buffer.from(value.hex, 'hex') : Buffer.concat(value.map(constant));
}

function saltOf(from: Salt, salt: Buffer): Buffer {
  return typeof from === 'object' && 'part' in from ? salt : constant(from);
}

/** MySQL's AES_ENCRYPT: the bytes of the key, one after the other, XORed into a ring of `length` bytes. */
function folded(bytes: Buffer, length: number): Buffer {
  const ring = Buffer.alloc(length);
  bytes.forEach((byte, i) => {
    ring[i % length] = (ring[i % length] as number) ^ byte;
  });
  return ring;
}

/** OpenSSL's EVP_BytesToKey (https://docs.openssl.org/3.0/man3/EVP_BytesToKey/). */
function evpBytesToKey(
  digest: HashName,
  password: Buffer,
  salt: Buffer,
  iterations: number,
  length: number,
): Buffer {
  const blocks: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (let total = 0; total < length; total += last.length) {
    last = createHash(digest).update(last).update(password).update(salt).digest();
    for (let i = 1; i < iterations; i++) last = hash(digest, last, 'buffer') as Buffer<ArrayBuffer>;
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, length);
}
