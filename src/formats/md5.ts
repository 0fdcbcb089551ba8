/**
 * MD5 (RFC 1321) of short messages that are edited in place. A call of node:crypto for each costs twice as much
 * (bench/README.md). For OpenSSL's key derivation only, where MD5 stretches nothing and proves nothing.
 */

const blockBytes = 64;
const digestBytes = 16;
/** Section 3.4: the integer part of 4294967296 · |sin(i + 1)|. */
const sines = Int32Array.from({ length: 64 }, (_, i) => Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))) | 0);
const initial = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);

/** A message of a fixed length. */
export class Md5Message {
  /** To be edited. */
  readonly bytes: Uint8Array;
  readonly #padded: DataView;
  readonly #words: Int32Array;
  readonly #state = new Int32Array(4);

  constructor(length: number) {
    const size = Math.ceil((length + 9) / blockBytes) * blockBytes;
    const buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(buffer, 0, length);
    this.#padded = new DataView(buffer);
    this.#padded.setUint8(length, 0x80);
    this.#padded.setUint32(size - 8, length * 8, true);
    this.#words = new Int32Array(blockBytes / 4);
  }

  /** Writes the 16 bytes of the digest. */
  digest(to: DataView, at: number): void {
    const state = this.#state;
    state.set(initial);
    for (let block = 0; block < this.#padded.byteLength; block += blockBytes) {
      for (let i = 0; i < 16; i++) this.#words[i] = this.#padded.getInt32(block + 4 * i, true);
      compress(state, this.#words);
    }
    for (let i = 0; i < digestBytes / 4; i++) to.setInt32(at + 4 * i, state[i] as number, true);
  }
}

/** One operation of a round: a = b + ((a + f + x + sine) <<< shift). */
function step(f: number, a: number, b: number, x: number, shift: number, sine: number): number {
  const sum = (a + f + x + sine) | 0;
  return (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
}

function compress(state: Int32Array, words: Int32Array): void {
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  for (let i = 0; i < 16; i += 4) {
    a = step((b & c) | (~b & d), a, b, words[i] as number, 7, sines[i] as number);
    d = step((a & b) | (~a & c), d, a, words[i + 1] as number, 12, sines[i + 1] as number);
    c = step((d & a) | (~d & b), c, d, words[i + 2] as number, 17, sines[i + 2] as number);
    b = step((c & d) | (~c & a), b, c, words[i + 3] as number, 22, sines[i + 3] as number);
  }
  for (let i = 16; i < 32; i += 4) {
    a = step((b & d) | (c & ~d), a, b, words[(5 * i + 1) & 15] as number, 5, sines[i] as number);
    d = step((a & c) | (b & ~c), d, a, words[(5 * i + 6) & 15] as number, 9, sines[i + 1] as number);
    c = step((d & b) | (a & ~b), c, d, words[(5 * i + 11) & 15] as number, 14, sines[i + 2] as number);
    b = step((c & a) | (d & ~a), b, c, words[(5 * i + 16) & 15] as number, 20, sines[i + 3] as number);
  }
  for (let i = 32; i < 48; i += 4) {
    a = step(b ^ c ^ d, a, b, words[(3 * i + 5) & 15] as number, 4, sines[i] as number);
    d = step(a ^ b ^ c, d, a, words[(3 * i + 8) & 15] as number, 11, sines[i + 1] as number);
    c = step(d ^ a ^ b, c, d, words[(3 * i + 11) & 15] as number, 16, sines[i + 2] as number);
    b = step(c ^ d ^ a, b, c, words[(3 * i + 14) & 15] as number, 23, sines[i + 3] as number);
  }
  for (let i = 48; i < 64; i += 4) {
    a = step(c ^ (b | ~d), a, b, words[(7 * i) & 15] as number, 6, sines[i] as number);
    d = step(b ^ (a | ~c), d, a, words[(7 * i + 7) & 15] as number, 10, sines[i + 1] as number);
    c = step(a ^ (d | ~b), c, d, words[(7 * i + 14) & 15] as number, 15, sines[i + 2] as number);
    b = step(d ^ (c | ~a), b, c, words[(7 * i + 21) & 15] as number, 21, sines[i + 3] as number);
  }
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
}
