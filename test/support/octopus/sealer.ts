import type { Random } from '../random.ts';
import { Leaf } from './document.ts';
import { plaintext } from './plaintext.ts';
import { openText, sealStream, sealText } from './sealing.ts';

/** Makes the leaves of one database. */
export class Sealer {
  readonly random: Random;
  readonly key: Buffer;
  /** Keys with which no look-alike decrypts, not even by chance. */
  readonly #strangers: readonly Buffer[];

  constructor(key: Buffer, random: Random, strangers: readonly Buffer[]) {
    this.key = key;
    this.random = random;
    this.#strangers = [key, ...strangers];
  }

  secret(
    plain: Buffer | string = plaintext(this.random),
    also: { trap?: string; spell?: (json: string) => string; having?: RegExp } = {},
  ): Leaf {
    const bytes = Buffer.from(plain);
    for (;;) {
      const text = this.text(bytes);
      // A spelling needs its character: another IV may bring it.
      if (also.having === undefined || also.having.test(text))
        return new Leaf('secret', text, { ...also, plain: bytes });
    }
  }

  text(plain: Buffer): string {
    return sealText(plain, this.key, this.random.bytes(16));
  }

  stream(plain: Buffer): Buffer {
    return sealStream(plain, this.key, this.random.bytes(16));
  }

  /** Has exactly the shape of a ciphertext, but no key decrypts it. */
  shaped(trap: string): Leaf {
    for (;;) {
      const size = 16 * (1 + this.random.below(4));
      const text = `${this.random.bytes(size).toString('base64')}|${this.random.bytes(16).toString('base64')}`;
      if (this.#strangers.every((key) => openText(text, key) === undefined)) return this.alike(text, trap);
    }
  }

  alike(text: string, trap: string): Leaf {
    return new Leaf('look-alike', text, { trap });
  }

  /** As Octopus hashes passwords and API keys. */
  hash(): Leaf {
    const salt = this.random.bytes(16).toString('base64');
    return new Leaf('hashed', `3E8$${salt}$${this.random.bytes(24).toString('base64')}`);
  }
}
