import { createCipheriv, createHash } from 'node:crypto';

/** The same seed gives the same bytes: for tests whose result would otherwise depend on chance. */
export class Random {
  readonly #stream: ReturnType<typeof createCipheriv>;

  constructor(seed: number | string) {
    const key = createHash('sha256').update(String(seed)).digest();
    this.#stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  bytes(count: number): Buffer {
    return this.#stream.update(Buffer.alloc(count));
  }

  below(limit: number): number {
    return this.bytes(4).readUInt32LE() % limit;
  }

  /** True once in `often`. */
  once(often: number): boolean {
    return this.below(often) === 0;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }

  /** Upper-case letters and digits, as in Octopus' snapshot ids. */
  code(length: number): string {
    return [...this.bytes(length)].map((byte) => 'ABCDEFGHJKLMNPQRSTUVWXYZ234567'[byte % 30]).join('');
  }
}

/**
 * Bytes for one use, such as a key or an IV, that are the same in every run, whichever tests run. For formats without
 * authentication: 1 value in 255 opens under a wrong key, and then it is always the same one.
 */
export function bytesFor(count: number, ...use: readonly (string | Buffer)[]): Buffer {
  return new Random(use.map((part) => Buffer.from(part).toString('hex')).join(' ')).bytes(count);
}

/** Draws until the condition holds, so that the result does not depend on chance. */
export function drawUntil<T>(draw: () => T, holds: (drawn: T) => boolean): T {
  for (;;) {
    const drawn = draw();
    if (holds(drawn)) return drawn;
  }
}
