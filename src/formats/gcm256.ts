import { Aes256 } from './aes256.ts';

/**
 * AES-256-GCM without additional data, with nonces of 12 bytes and tags of 16 (NIST SP 800-38D), for short values that each
 * have a key of their own, as aes256.ts.
 */

export const gcmTagBytes = 16;
const blockBytes = 16;
const nonceBytes = 12;
/** What the four bits that are shifted out of a product add to its first word (section 6.3, with the polynomial R). */
const reductions = Int32Array.from({ length: 16 }, (_, bits) => {
  let added = 0;
  for (let bit = 0; bit < 4; bit++) if ((bits >> bit) & 1) added ^= 0xe1000000 >>> (3 - bit);
  return added;
});

/** One key at a time; the next one takes its place. */
export class Gcm256 {
  readonly #aes = new Aes256();
  readonly #hash = new Ghash();
  readonly #counter = Buffer.alloc(blockBytes);
  readonly #stream = Buffer.alloc(blockBytes);
  readonly #mask = Buffer.alloc(blockBytes);

  setKey(key: Uint8Array, nonce: Uint8Array): void {
    this.#aes.setKey(key);
    this.#stream.fill(0);
    this.#aes.encrypt(this.#stream, 0);
    this.#hash.setKey(this.#stream);
    for (let k = 0; k < nonceBytes; k++) this.#counter[k] = nonce[k] as number;
    this.#counter.writeUInt32BE(1, nonceBytes);
    this.#counter.copy(this.#mask);
    this.#aes.encrypt(this.#mask, 0);
  }

  /** Encrypts, or decrypts, a text of `length` bytes from `at` to `to` (of another buffer, or the same place). */
  apply(from: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void {
    for (let done = 0, count = 2; done < length; done += blockBytes, count++) {
      this.#counter.copy(this.#stream, 0, 0, nonceBytes);
      this.#stream.writeUInt32BE(count, nonceBytes);
      this.#aes.encrypt(this.#stream, 0);
      const most = Math.min(blockBytes, length - done);
      for (let k = 0; k < most; k++)
        into[to + done + k] = (from[at + done + k] as number) ^ (this.#stream[k] as number);
    }
  }

  /** The tag of a ciphertext, 16 bytes at `to`. */
  tag(sealed: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void {
    this.#hash.of(sealed, at, length, into, to);
    for (let k = 0; k < gcmTagBytes; k++) into[to + k] = (into[to + k] as number) ^ (this.#mask[k] as number);
  }
}

/** GHASH (section 6.4) with a table of the 16 products of four bits, after V. Shoup, "On fast and provably secure MACs". */
class Ghash {
  /** Four words for each of the products. */
  readonly #products = new Int32Array(64);
  readonly #sum = new Int32Array(4);
  readonly #last = new Uint8Array(blockBytes);

  setKey(key: Buffer): void {
    const table = this.#products;
    let a = key.readInt32BE(0);
    let b = key.readInt32BE(4);
    let c = key.readInt32BE(8);
    let d = key.readInt32BE(12);
    // The first bit of a byte is the coefficient of x⁰: 8 is the key itself, 4 the key times x, and so on
    for (let bits = 8; ; bits >>= 1) {
      table[4 * bits] = a;
      table[4 * bits + 1] = b;
      table[4 * bits + 2] = c;
      table[4 * bits + 3] = d;
      if (bits === 1) break;
      const carry = d & 1 ? 0xe1000000 : 0;
      d = (d >>> 1) | (c << 31);
      c = (c >>> 1) | (b << 31);
      b = (b >>> 1) | (a << 31);
      a = (a >>> 1) ^ carry;
    }
    for (let top = 2; top < 16; top <<= 1)
      for (let rest = 1; rest < top; rest++)
        for (let word = 0; word < 4; word++)
          table[4 * (top + rest) + word] =
            (table[4 * top + word] as number) ^ (table[4 * rest + word] as number);
  }

  of(bytes: Uint8Array, at: number, length: number, into: Uint8Array, to: number): void {
    const sum = this.#sum.fill(0);
    const whole = length - (length % blockBytes);
    for (let done = 0; done < whole; done += blockBytes) this.#add(bytes, at + done);
    const last = this.#last.fill(0);
    if (whole < length) {
      for (let k = whole; k < length; k++) last[k - whole] = bytes[at + k] as number;
      this.#add(last, 0);
      last.fill(0);
    }
    // 64 bits each: no additional data, and the length of the ciphertext in bits
    const bits = length * 8;
    for (let k = 0; k < 4; k++) last[blockBytes - 1 - k] = bits >>> (8 * k);
    this.#add(last, 0);
    for (let k = 0; k < blockBytes; k++) into[to + k] = (sum[k >> 2] as number) >>> (24 - 8 * (k & 3));
  }

  /** sum = (sum ⊕ block) · key, from the last four bits to the first. */
  #add(bytes: Uint8Array, at: number): void {
    const table = this.#products;
    const sum = this.#sum;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let k = blockBytes - 1; k >= 0; k--) {
      const byte = (bytes[at + k] as number) ^ (((sum[k >> 2] as number) >>> (24 - 8 * (k & 3))) & 255);
      for (let shift = 0; shift < 8; shift += 4) {
        const out = d & 15;
        const place = 4 * ((byte >> shift) & 15);
        d = ((d >>> 4) | (c << 28)) ^ (table[place + 3] as number);
        c = ((c >>> 4) | (b << 28)) ^ (table[place + 2] as number);
        b = ((b >>> 4) | (a << 28)) ^ (table[place + 1] as number);
        a = (a >>> 4) ^ (reductions[out] as number) ^ (table[place] as number);
      }
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
  }
}
