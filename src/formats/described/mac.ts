import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Key } from '../../keys/key.ts';
import type { Place } from '../format.ts';
import type { Description } from './description.ts';
import { DerivedKeys } from './key-steps.ts';
import { joined, type Part, type PartName, type Value } from './piece.ts';

/** An HMAC over named parts of a value: encrypt-then-MAC. */
export class Mac {
  readonly #hash: string;
  readonly #over: NonNullable<Description['mac']>['over'];
  readonly #keys: DerivedKeys;
  readonly #bytes: number;
  /** All parts before the MAC, for `before`. */
  readonly #before: readonly Part[];

  /** @param keys of the cipher, unless the MAC has steps of its own */
  constructor(mac: NonNullable<Description['mac']>, parts: readonly Part[], keys: DerivedKeys) {
    this.#hash = mac.hash;
    this.#over = mac.over;
    this.#keys = mac.key === undefined ? keys : new DerivedKeys(mac.key);
    const at = parts.findIndex(({ name }) => name === 'mac');
    this.#bytes = parts[at]?.bytes ?? 0;
    this.#before = parts.slice(0, at);
  }

  get isPerValue(): boolean {
    return this.#keys.isPerValue;
  }

  matches(key: Key, value: Value, place: Place | undefined): boolean {
    const found = value.bytes.get('mac');
    const expected = this.of(key, value, place);
    return found !== undefined && found.length === expected?.length && timingSafeEqual(found, expected);
  }

  /** Undefined: the key is not written as its steps expect it. */
  of(key: Key, { bytes, texts }: Value, place: Place | undefined): Buffer | undefined {
    const secret = this.#keys.of(key, { salt: bytes.get('salt'), place });
    if (secret === undefined) return undefined;
    const hmac = createHmac(this.#hash, secret);
    for (const part of this.#over) {
      if (typeof part === 'object') hmac.update(part.text);
      else if (part === 'before') hmac.update(joined(this.#before, bytes));
      else {
        const [name, as] = part.split(' ') as [PartName, string | undefined];
        hmac.update(as === 'text' ? Buffer.from(texts.get(name) ?? '', 'latin1') : (bytes.get(name) ?? ''));
      }
    }
    return hmac.digest().subarray(0, this.#bytes);
  }
}
