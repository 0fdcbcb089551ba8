/**
 * AES-256 (FIPS 197) of single blocks, for values that each have a key of their own. A cipher object of node:crypto for
 * each costs more than the blocks of a short value (bench/README.md); for many values under one key, cbc-lanes.ts is faster.
 * With lookup tables, so not in constant time: keyturn runs offline, on a host that is trusted with the keys.
 * Words are big-endian, as in the standard.
 */

const rounds = 14;
const keyWords = 8;
const scheduleWords = 4 * (rounds + 1);

const substitutes = new Uint8Array(256);
const inverses = new Uint8Array(256);
/** SubBytes and MixColumns of a byte in each of the four rows (FIPS 197, 5.1.1 and 5.1.3). */
const [f0, f1, f2, f3] = fourTables();
/** InvMixColumns of a byte in each of the four rows (5.3.3). */
const [u0, u1, u2, u3] = fourTables();
/** InvSubBytes and InvMixColumns (5.3.2 and 5.3.3). */
const [b0, b1, b2, b3] = fourTables();

fillTables();

/** One key at a time; the next one takes its place. */
export class Aes256 {
  readonly #schedule = new Int32Array(scheduleWords);
  readonly #inverse = new Int32Array(scheduleWords);

  /** @param key its 32 bytes are copied */
  setKey(key: Uint8Array): void {
    const words = this.#schedule;
    for (let i = 0; i < keyWords; i++) words[i] = wordAt(key, 4 * i);
    let constant = 1;
    for (let i = keyWords; i < scheduleWords; i++) {
      let word = words[i - 1] as number;
      if (i % keyWords === 0) {
        word = substituted((word << 8) | (word >>> 24)) ^ (constant << 24);
        constant <<= 1;
      } else if (i % keyWords === 4) word = substituted(word);
      words[i] = (words[i - keyWords] as number) ^ word;
    }
  }

  /** For `decrypt`: the schedule of the equivalent inverse cipher (5.3.5). Call it after `setKey`. */
  prepareDecryption(): void {
    const from = this.#schedule;
    const to = this.#inverse;
    for (let round = 0; round <= rounds; round++)
      for (let column = 0; column < 4; column++) {
        const word = from[4 * (rounds - round) + column] as number;
        to[4 * round + column] =
          round === 0 || round === rounds
            ? word
            : (u0[word >>> 24] as number) ^
              (u1[(word >>> 16) & 255] as number) ^
              (u2[(word >>> 8) & 255] as number) ^
              (u3[word & 255] as number);
      }
  }

  /** Encrypts the block at `i` in place. */
  encrypt(bytes: Uint8Array, i: number): void {
    const key = this.#schedule;
    let a = wordAt(bytes, i) ^ (key[0] as number);
    let b = wordAt(bytes, i + 4) ^ (key[1] as number);
    let c = wordAt(bytes, i + 8) ^ (key[2] as number);
    let d = wordAt(bytes, i + 12) ^ (key[3] as number);
    let k = 4;
    for (let round = 1; round < rounds; round++, k += 4) {
      const e =
        (f0[a >>> 24] as number) ^
        (f1[(b >>> 16) & 255] as number) ^
        (f2[(c >>> 8) & 255] as number) ^
        (f3[d & 255] as number) ^
        (key[k] as number);
      const f =
        (f0[b >>> 24] as number) ^
        (f1[(c >>> 16) & 255] as number) ^
        (f2[(d >>> 8) & 255] as number) ^
        (f3[a & 255] as number) ^
        (key[k + 1] as number);
      const g =
        (f0[c >>> 24] as number) ^
        (f1[(d >>> 16) & 255] as number) ^
        (f2[(a >>> 8) & 255] as number) ^
        (f3[b & 255] as number) ^
        (key[k + 2] as number);
      d =
        (f0[d >>> 24] as number) ^
        (f1[(a >>> 16) & 255] as number) ^
        (f2[(b >>> 8) & 255] as number) ^
        (f3[c & 255] as number) ^
        (key[k + 3] as number);
      a = e;
      b = f;
      c = g;
    }
    put(bytes, i, last(substitutes, a, b, c, d) ^ (key[k] as number));
    put(bytes, i + 4, last(substitutes, b, c, d, a) ^ (key[k + 1] as number));
    put(bytes, i + 8, last(substitutes, c, d, a, b) ^ (key[k + 2] as number));
    put(bytes, i + 12, last(substitutes, d, a, b, c) ^ (key[k + 3] as number));
  }

  /** Decrypts the block at `i` in place. */
  decrypt(bytes: Uint8Array, i: number): void {
    const key = this.#inverse;
    let a = wordAt(bytes, i) ^ (key[0] as number);
    let b = wordAt(bytes, i + 4) ^ (key[1] as number);
    let c = wordAt(bytes, i + 8) ^ (key[2] as number);
    let d = wordAt(bytes, i + 12) ^ (key[3] as number);
    let k = 4;
    for (let round = 1; round < rounds; round++, k += 4) {
      const e =
        (b0[a >>> 24] as number) ^
        (b1[(d >>> 16) & 255] as number) ^
        (b2[(c >>> 8) & 255] as number) ^
        (b3[b & 255] as number) ^
        (key[k] as number);
      const f =
        (b0[b >>> 24] as number) ^
        (b1[(a >>> 16) & 255] as number) ^
        (b2[(d >>> 8) & 255] as number) ^
        (b3[c & 255] as number) ^
        (key[k + 1] as number);
      const g =
        (b0[c >>> 24] as number) ^
        (b1[(b >>> 16) & 255] as number) ^
        (b2[(a >>> 8) & 255] as number) ^
        (b3[d & 255] as number) ^
        (key[k + 2] as number);
      d =
        (b0[d >>> 24] as number) ^
        (b1[(c >>> 16) & 255] as number) ^
        (b2[(b >>> 8) & 255] as number) ^
        (b3[a & 255] as number) ^
        (key[k + 3] as number);
      a = e;
      b = f;
      c = g;
    }
    put(bytes, i, last(inverses, a, d, c, b) ^ (key[k] as number));
    put(bytes, i + 4, last(inverses, b, a, d, c) ^ (key[k + 1] as number));
    put(bytes, i + 8, last(inverses, c, b, a, d) ^ (key[k + 2] as number));
    put(bytes, i + 12, last(inverses, d, c, b, a) ^ (key[k + 3] as number));
  }
}

function wordAt(bytes: Uint8Array, i: number): number {
  return (
    ((bytes[i] as number) << 24) |
    ((bytes[i + 1] as number) << 16) |
    ((bytes[i + 2] as number) << 8) |
    (bytes[i + 3] as number)
  );
}

function put(bytes: Uint8Array, i: number, word: number): void {
  bytes[i] = word >>> 24;
  bytes[i + 1] = word >>> 16;
  bytes[i + 2] = word >>> 8;
  bytes[i + 3] = word;
}

/** The last round: no MixColumns. */
function last(table: Uint8Array, a: number, b: number, c: number, d: number): number {
  return (
    ((table[a >>> 24] as number) << 24) |
    ((table[(b >>> 16) & 255] as number) << 16) |
    ((table[(c >>> 8) & 255] as number) << 8) |
    (table[d & 255] as number)
  );
}

function substituted(word: number): number {
  return last(substitutes, word, word, word, word);
}

/** From the arithmetic of the standard (4.2 and 5.1.1), so that there is no table to mistype. */
function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let inverse = 0;
    for (let other = 1; other < 256 && inverse === 0; other++) if (times(byte, other) === 1) inverse = other;
    let mixed = inverse;
    for (let shift = 1; shift < 5; shift++) mixed ^= ((inverse << shift) | (inverse >> (8 - shift))) & 255;
    substitutes[byte] = mixed ^ 0x63;
  }
  for (let byte = 0; byte < 256; byte++) inverses[substitutes[byte] as number] = byte;
  for (let byte = 0; byte < 256; byte++) {
    const s = substitutes[byte] as number;
    const column = (times(s, 2) << 24) | (s << 16) | (s << 8) | times(s, 3);
    const inverse =
      (times(byte, 14) << 24) | (times(byte, 9) << 16) | (times(byte, 13) << 8) | times(byte, 11);
    fillRows([f0, f1, f2, f3], byte, column);
    fillRows([u0, u1, u2, u3], byte, inverse);
    fillRows([b0, b1, b2, b3], s, inverse);
  }
}

/** The column of each next row is that of the row before, rotated by a byte. */
function fillRows(tables: readonly Int32Array[], byte: number, column: number): void {
  tables.forEach((table, row) => {
    table[byte] = (column >>> (8 * row)) | (column << (32 - 8 * row));
  });
}

function fourTables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  return [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)];
}

/** In GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11b : 0);
  }
  return product;
}
