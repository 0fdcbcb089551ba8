import { createHmac, hash, randomBytes } from 'node:crypto';
import type { Key } from '../../keys/key.ts';
import { openCbc, sealCbc } from '../cbc-lanes.ts';
import { encodings } from '../encoding.ts';
import type { Format, Opening, Place } from '../format.ts';
import type { Signature } from '../signature.ts';
import { type CipherTraits, decrypt, encrypt, traitsOf } from './cipher.ts';
import type { Description } from './description.ts';
import { type Around, columnNames, constant, DerivedKeys, placeNames } from './key-steps.ts';
import { Mac } from './mac.ts';
import { padded, paddingOdds, unpadded } from './padding.ts';
import type { PartName, Value } from './piece.ts';
import { Shape } from './shape.ts';

/** Why a value does not open, in the words of somebody who describes a format. */
export interface Explained {
  readonly opened: Buffer | null;
  /** Empty if it opened. */
  readonly reason: string;
}

export interface DescribedFormat extends Format {
  explain(text: string, key: Key): Explained;
}

/** A format as a job describes it: layout, cipher, key. Compiled once. */
export function describedFormat(description: Description): DescribedFormat {
  const compiled = new Compiled(description);
  const { shape, traits } = compiled;
  const { beginning } = shape;
  const signature = signatureOf(shape);
  const proven = compiled.provenBytes();
  const needs = placeNames([description.key, description.iv, description.mac, description.aad]);
  return {
    name: description.name ?? 'described',
    authenticated: proven > 0,
    odds: proven > 0 ? 2 ** (-8 * proven) : paddingOdds[description.padding],
    random: compiled.keepsEqual,
    carries: description.layers.length === 0 && description.parts !== undefined ? 'bytes' : 'text',
    ...(description.key.length === 0 && { keyLengths: [traits.keyBytes] }),
    ...(signature !== undefined && { signature }),

    ...(needs.length > 0 && { needs: { columns: columnNames(description) } }),

    open(sealed, ring, places) {
      return compiled.open(sealed, ring.primary, places);
    },

    seal(plain, ring, like, places) {
      return compiled.seal(plain, ring.primary, like, places);
    },

    isEmpty(text) {
      return text === '';
    },

    sealedLength(plainBytes) {
      return shape.length(compiled.sealedBytes(plainBytes));
    },

    prefixes() {
      return beginning === '' ? [] : [beginning];
    },

    explain(text, key) {
      return compiled.explain(text, key);
    },
  };
}

function signatureOf(shape: Shape): Signature | undefined {
  const { beginning, encoding } = shape;
  if (beginning === '' || encoding === undefined) return undefined;
  const { alphabet, padding } = encodings[encoding];
  return alphabet === '' ? undefined : { beginning, alphabet, padding, parts: 1, separator: '' };
}

class Compiled {
  readonly shape: Shape;
  readonly traits: CipherTraits;
  readonly #description: Description;
  readonly #keys: DerivedKeys;
  readonly #ivKeys: DerivedKeys | null;
  readonly #mac: Mac | null;
  readonly #keyId: DerivedKeys | null;
  readonly #aad: Description['aad'];
  readonly #aadIsPerValue: boolean;
  readonly #lengths: ReadonlyMap<PartName, number | null>;

  constructor(description: Description) {
    this.#description = description;
    this.shape = new Shape(description);
    this.traits = traitsOf(description.cipher);
    this.#keys = new DerivedKeys(description.key);
    const { iv, mac, keyId } = description;
    this.#ivKeys = iv !== undefined && 'key' in iv ? new DerivedKeys(iv.key) : null;
    const { parts } = this.shape;
    this.#mac = mac === undefined ? null : new Mac(mac, parts, this.#keys);
    this.#keyId = keyId === undefined ? null : new DerivedKeys(keyId);
    this.#aad = description.aad;
    this.#aadIsPerValue = placeNames(description.aad).length > 0;
    this.#lengths = new Map(parts.flatMap(({ name, bytes }) => (name === 'constant' ? [] : [[name, bytes]])));
  }

  /** Equal plaintexts are sealed to equal ciphertexts: the IV follows from the plaintext or the key, and there is no salt. */
  get keepsEqual(): boolean {
    const { iv } = this.#description;
    return !this.#lengths.has('salt') && (iv !== undefined || this.traits.ivBytes === 0);
  }

  /** How many bytes of a value only the right key produces. */
  provenBytes(): number {
    return Math.max(
      this.traits.tagged ? (this.#lengths.get('tag') ?? 16) : 0,
      this.#mac === null ? 0 : (this.#lengths.get('mac') ?? 0),
    );
  }

  sealedBytes(plainBytes: number): number {
    return this.#description.padding === 'none' ? plainBytes : (Math.floor(plainBytes / 16) + 1) * 16;
  }

  open(texts: readonly string[], key: Key, places: readonly Place[] = []): Opening[] {
    const parsed = texts.map((text) => this.shape.parse(text));
    if (this.#takesLanes) {
      const values = parsed.map((each) =>
        'value' in each && this.#proves(each.value, key, undefined) === null ? each.value : null,
      );
      return this.#openLanes(values, key).map((plain, i) => plain ?? closedOrForeign(parsed[i]));
    }
    return parsed.map((each, i) => {
      if (!('value' in each)) return closedOrForeign(each);
      const plain = this.#openValue(each.value, key, places[i]);
      return typeof plain === 'string' ? 'closed' : { plain, key };
    });
  }

  explain(text: string, key: Key): Explained {
    const parsed = this.shape.parse(text);
    if (!('value' in parsed)) return { opened: null, reason: parsed.failed };
    const plain = this.#openValue(parsed.value, key, undefined);
    return typeof plain === 'string' ? { opened: null, reason: plain } : { opened: plain, reason: '' };
  }

  seal(
    plains: readonly Buffer[],
    key: Key,
    like: readonly string[],
    places: readonly Place[] = [],
  ): string[] {
    if (this.#takesLanes && this.#mac === null) return this.#sealLanes(plains, key, like);
    return plains.map((plain, i) => this.#sealValue(plain, key, like[i] ?? '', places[i]));
  }

  /** Many CBC values under one key share one cipher (cbc-lanes.ts). */
  get #takesLanes(): boolean {
    const { cipher, padding, iv } = this.#description;
    if (!cipher.endsWith('-cbc') || padding !== 'pkcs7' || !this.#lengths.has('iv')) return false;
    return iv === undefined && !this.#keys.isPerValue && this.#mac?.isPerValue !== true;
  }

  #openLanes(values: readonly (Value | null)[], key: Key): (Opening | undefined)[] {
    const secret = this.#secret(key, {});
    if (typeof secret === 'string') return values.map((value) => (value === null ? undefined : 'closed'));
    const candidates = values.flatMap((value, i) => {
      const [iv, sealed] = [value?.bytes.get('iv'), value?.bytes.get('ciphertext')];
      const fits = iv?.length === 16 && sealed !== undefined && sealed.length > 0 && sealed.length % 16 === 0;
      return fits ? [{ i, iv, sealed }] : [];
    });
    const opened: (Opening | undefined)[] = values.map((value) => (value === null ? undefined : 'closed'));
    openCbc(secret, candidates).forEach((plain, n) => {
      if (plain !== undefined) opened[candidates[n]?.i ?? -1] = { plain, key };
    });
    return opened;
  }

  #sealLanes(plains: readonly Buffer[], key: Key, like: readonly string[]): string[] {
    const secret = this.#secret(key, {});
    if (typeof secret === 'string') throw new Error(secret);
    return sealCbc(secret, plains).map(({ iv, sealed }, i) => {
      const value = this.#kept(like[i] ?? '', key);
      value.set('iv', iv).set('ciphertext', sealed);
      return this.shape.write(value, like[i] ?? '');
    });
  }

  /** Null: the key id and the MAC are right, as far as there are any. */
  #proves(value: Value, key: Key, place: Place | undefined): string | null {
    const { bytes } = value;
    const id = this.#keyId?.of(key);
    if (this.#keyId !== null && (id === undefined || !bytes.get('key-id')?.equals(id)))
      return 'the key id in the value is not that of this key';
    if (this.#mac !== null && !this.#mac.matches(key, value, place))
      return 'the MAC does not match: another key, or damaged';
    return null;
  }

  /** A text: why it does not open. */
  #openValue(value: Value, key: Key, place: Place | undefined): Buffer | string {
    if (this.#aadIsPerValue && place === undefined) return 'the additional data depends on the row';
    const unproven = this.#proves(value, key, place);
    if (unproven !== null) return unproven;
    const { bytes } = value;
    const around = { salt: bytes.get('salt'), place };
    const secret = this.#secret(key, around);
    if (typeof secret === 'string') return secret;
    const sealed = bytes.get('ciphertext') ?? Buffer.alloc(0);
    if (
      this.traits.blocks &&
      (sealed.length % 16 !== 0 || (sealed.length === 0 && this.#description.padding !== 'none'))
    )
      return `the ciphertext has ${sealed.length} bytes, not whole blocks of 16`;
    const iv = bytes.get('iv') ?? this.#fixedIv(key, around, secret, null);
    if (iv === undefined) return 'the steps for the IV do not fit this key';
    const tag = bytes.get('tag') ?? Buffer.alloc(0);
    const aad = this.#aadOf(value, key, place);
    const plain = decrypt(this.#description.cipher, secret, iv, { ciphertext: sealed, tag }, aad);
    if (plain === undefined) return 'the tag does not match: another key, or damaged';
    const { padding } = this.#description;
    return unpadded(plain, padding) ?? `the ${padding} padding is invalid: another key, or another cipher`;
  }

  #sealValue(plain: Buffer, key: Key, like: string, place: Place | undefined): string {
    const { cipher, padding } = this.#description;
    const value = this.#kept(like, key);
    const parsed = this.shape.parse(like);
    const kept = 'value' in parsed ? parsed.value : null;
    const saltBytes = this.#lengths.get('salt');
    if (saltBytes != null) value.set('salt', randomBytes(saltBytes));
    const around = { salt: value.get('salt'), place };
    const secret = this.#secret(key, around);
    if (typeof secret === 'string') throw new Error(secret);
    const ivBytes = this.#lengths.get('iv') ?? this.traits.ivBytes;
    const iv = this.#fixedIv(key, around, secret, plain) ?? randomBytes(ivBytes);
    if (this.#lengths.has('iv')) value.set('iv', iv);
    const tagBytes = this.#lengths.get('tag') ?? 16;
    const { ciphertext, tag } = encrypt(
      cipher,
      secret,
      iv,
      padded(plain, padding),
      this.#aadOf(kept, key, place),
      tagBytes,
    );
    value.set('ciphertext', ciphertext).set('tag', tag);
    if (this.#mac === null) return this.shape.write(value, like);
    // As stored texts a MAC covers what is written, so the value is written with a MAC of zeros first
    value.set('mac', Buffer.alloc(this.#lengths.get('mac') ?? 0));
    const draft = this.shape.parse(this.shape.write(value, like));
    if (!('value' in draft)) throw new Error(`a value that cannot be read again: ${draft.failed}`);
    const mac = this.#mac.of(key, draft.value, place);
    if (mac === undefined) throw new Error('the steps for the MAC do not fit this key');
    value.set('mac', mac);
    return this.shape.write(value, like);
  }

  /** @param value that the text of a part is taken from */
  #aadOf(value: Value | null, key: Key, place: Place | undefined): Buffer {
    const aad = this.#aad;
    if (typeof aad === 'object' && 'part' in aad)
      return Buffer.from(value?.texts.get(aad.part) ?? '', 'latin1');
    return constant(aad, key, place);
  }

  /** The parts of the old value that stay, and the id of the new key. */
  #kept(like: string, key: Key): Map<PartName, Buffer> {
    const parsed = like === '' ? undefined : this.shape.parse(like);
    const value = new Map<PartName, Buffer>();
    const kept = parsed !== undefined && 'value' in parsed ? parsed.value.bytes.get('kept') : undefined;
    if (this.#lengths.has('kept')) value.set('kept', kept ?? Buffer.alloc(this.#lengths.get('kept') ?? 0));
    const id = this.#keyId?.of(key);
    if (id !== undefined) value.set('key-id', id);
    return value;
  }

  /** The cipher's key; a text: why the master key does not yield one. */
  #secret(key: Key, around: Around): Buffer | string {
    const secret = this.#keys.of(key, around);
    if (secret?.length === this.traits.keyBytes) return secret;
    const found = secret === undefined ? 'do not fit this key' : `yield ${secret.length} bytes`;
    return `the steps for the key ${found}; ${this.#description.cipher} needs ${this.traits.keyBytes}`;
  }

  /** An IV that is not in the value, or that follows from the plaintext. Undefined: it is random. */
  #fixedIv(key: Key, around: Around, secret: Buffer, plain: Buffer | null): Buffer | undefined {
    const { iv } = this.#description;
    if (this.traits.ivBytes === 0) return Buffer.alloc(0);
    if (iv === undefined) return undefined;
    if ('hex' in iv) return Buffer.from(iv.hex, 'hex');
    if ('key' in iv) return this.#ivKeys?.of(key, around);
    if (plain === null) return undefined;
    const length = this.#lengths.get('iv') ?? this.traits.ivBytes;
    const whole =
      'hmac' in iv ? createHmac(iv.hmac, secret).update(plain).digest() : hash(iv.hash, plain, 'buffer');
    const isHex = 'as' in iv && iv.as === 'hex';
    return (isHex ? Buffer.from(whole.toString('hex')) : whole).subarray(0, length);
  }
}

function closedOrForeign(parsed: ReturnType<Shape['parse']> | undefined): 'closed' | 'foreign' {
  return parsed !== undefined && ('value' in parsed || parsed.marked) ? 'closed' : 'foreign';
}
