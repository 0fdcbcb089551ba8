import { KeyturnError } from '../error.ts';
import type { Key } from './key.ts';

/**
 * The keys that one state of the application reads with: before a run, or after it.
 * `primary` is the master key; `named` are keys that a job finds in the database (n8n: `legacy`, `data:<id>`).
 *
 * Laws: immutable; a name is given once and is not empty; no named key is empty.
 */
export class Keyring {
  readonly primary: Key;
  readonly #named: ReadonlyMap<string, Key>;

  constructor(primary: Key, named: Iterable<readonly [string, Key]> = []) {
    const map = new Map<string, Key>();
    for (const [name, key] of named) {
      if (name === '' || map.has(name)) {
        throw new KeyturnError('source-key', `the key "${name}" is found more than once`, {
          hint: 'a job names every source key once; look at its sourceKeys',
        });
      }
      if (key.bytes.length === 0) throw new KeyturnError('source-key', `the key "${name}" is empty`);
      map.set(name, key);
    }
    this.primary = primary;
    this.#named = map;
  }

  named(name: string): Key | undefined {
    return this.#named.get(name);
  }

  get names(): readonly string[] {
    return [...this.#named.keys()];
  }

  /**
   * Whether values sealed with this very key stay readable in this ring. A text and raw bytes are two keys even when
   * their bytes agree: they are used in different places.
   */
  holds(key: Key): boolean {
    const same = (held: Key): boolean => held.isText === key.isText && held.equals(key);
    return same(this.primary) || [...this.#named.values()].some(same);
  }
}
