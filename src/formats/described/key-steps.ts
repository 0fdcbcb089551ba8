import { createHash, createHmac, hash, hkdfSync, pbkdf2Sync, scryptSync } from 'node:crypto';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { encodings } from '../encoding.ts';
import type { Place } from '../format.ts';
import type { Constant, DescriptionFile, HashName, KeyStep, Salt } from './description.ts';

/** Salts and places whose keys are kept: a key derivation may take a quarter of a second. */
const mostKept = 1000;

/** What the steps for a key may use of a value, beside the master key. */
export interface Around {
  readonly salt?: Buffer | undefined;
  readonly place?: Place | undefined;
}

/** The bytes that a list of steps makes of master keys, each once per distinct salt and place. */
export class DerivedKeys {
  readonly #steps: readonly KeyStep[];
  readonly #names: readonly PlaceName[];
  /** Whether the steps use something of a value. Otherwise one key is that of all values. */
  readonly isPerValue: boolean;
  readonly #salted: boolean;
  readonly #known = new WeakMap<Key, Map<string, Buffer | undefined>>();

  constructor(steps: readonly KeyStep[]) {
    this.#steps = steps;
    this.#names = placeNames(steps);
    this.#salted = JSON.stringify(steps).includes('{"part":"salt"}');
    this.isPerValue = this.#salted || this.#names.length > 0;
  }

  /** Undefined: the key is not written as the steps expect it, or the place is not known. */
  of(key: Key, around: Around = {}): Buffer | undefined {
    if (this.#names.length > 0 && around.place === undefined) return undefined;
    const known = this.#known.get(key) ?? new Map<string, Buffer | undefined>();
    this.#known.set(key, known);
    const name = this.#nameOf(around);
    if (known.has(name)) return known.get(name);
    if (known.size >= mostKept) known.clear();
    const derived = derive(key, this.#steps, around);
    known.set(name, derived);
    return derived;
  }

  #nameOf({ salt, place }: Around): string {
    if (!this.isPerValue) return '';
    const parts = this.#names.map((name) => (place === undefined ? null : textOf(name, place)));
    return JSON.stringify([this.#salted ? salt?.toString('latin1') : '', ...parts]);
  }
}

type PlaceName = Extract<Constant, { column: string } | { place: string }>;

/** What steps, or a constant, use of a value's place. */
export function placeNames(of: unknown): PlaceName[] {
  const found: PlaceName[] = [];
  JSON.stringify(of, (_, part: unknown) => {
    if (typeof part === 'object' && part !== null && ('column' in part || 'place' in part))
      found.push(part as PlaceName);
    return part;
  });
  return found;
}

/** The columns of a row that a description uses. */
export function columnNames({ key, iv, mac, aad }: DescriptionFile): string[] {
  const names = placeNames([key, iv, mac, aad]);
  return [...new Set(names.flatMap((name) => ('column' in name ? [name.column] : [])))];
}

/** The further keys that a description uses. */
export function keyNames({ key, iv, mac, keyId, aad }: DescriptionFile): string[] {
  const found = new Set<string>();
  JSON.stringify([key, iv, mac, keyId, aad], (_, part: unknown) => {
    if (typeof part === 'object' && part !== null && 'key' in part && typeof part.key === 'string')
      found.add(part.key);
    return part;
  });
  return [...found];
}

function textOf(name: PlaceName, place: Place): string | null {
  return 'column' in name ? (place.columns[name.column] ?? null) : place[name.place];
}

function derive(master: Key, steps: readonly KeyStep[], around: Around): Buffer | undefined {
  let key = master;
  let bytes: Buffer | undefined = key.bytes;
  const bytesOf = (of: Constant): Buffer => constant(of, master, around.place);
  for (const step of steps) {
    if (bytes === undefined) return undefined;
    if (typeof step === 'object' && 'key' in step) {
      const part = master.part(step.key);
      if (part === undefined) return undefined;
      key = part;
      bytes = part.bytes;
    } else
      bytes =
        typeof step === 'string' ? byName(step, bytes, key) : byObject(step, bytes, around.salt, bytesOf);
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

function byObject(
  step: Exclude<KeyStep, string | { key: string }>,
  bytes: Buffer,
  salt: Buffer | undefined,
  bytesOf: (of: Constant) => Buffer,
): Buffer | undefined {
  const saltOf = (from: Salt): Buffer =>
    typeof from === 'object' && 'part' in from ? (salt ?? Buffer.alloc(0)) : bytesOf(from);
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
  if ('append' in step) return Buffer.concat([bytes, bytesOf(step.append)]);
  if ('prepend' in step) return Buffer.concat([bytesOf(step.prepend), bytes]);
  if ('fold' in step) return folded(bytes, step.fold);
  if ('hmac' in step) return createHmac(step.hmac.hash, bytes).update(bytesOf(step.hmac.of)).digest();
  if ('hkdf' in step) {
    const { hash: digest, info, bytes: length } = step.hkdf;
    return Buffer.from(hkdfSync(digest, bytes, saltOf(step.hkdf.salt), bytesOf(info), length));
  }
  if ('pbkdf2' in step) {
    const { hash: digest, iterations, bytes: length } = step.pbkdf2;
    return pbkdf2Sync(bytes, saltOf(step.pbkdf2.salt), iterations, length, digest);
  }
  if ('scrypt' in step) {
    const { N, r, p, bytes: length } = step.scrypt;
    return scryptSync(bytes, saltOf(step.scrypt.salt), length, { N, r, p, maxmem: 256 * N * r });
  }
  const { hash: digest, iterations, bytes: length, salt: from } = step['evp-bytes-to-key'];
  return evpBytesToKey(digest, bytes, saltOf(from), iterations, length);
}

/** @throws Error if it names a key or a place that is not known: whoever calls has checked that. */
export function constant(value: Constant, master?: Key, place?: Place): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  if ('hex' in value) return Buffer.from(value.hex, 'hex');
  if ('key' in value) {
    const part = master?.part(value.key);
    if (part === undefined) throw new KeyturnError('source-key', `the key "${value.key}" is missing`);
    return part.bytes;
  }
  if ('column' in value || 'place' in value)
    return Buffer.from(place === undefined ? '' : (textOf(value, place) ?? ''));
  return Buffer.concat(value.map((each) => constant(each, master, place)));
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
