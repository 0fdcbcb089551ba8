import { KeyturnError } from '../error.ts';
import type { Key } from './key.ts';

/**
 * The keys with which one state of the application, before or after a run, reads its values.
 * `primary` is the master key; the named keys are found in the database as the job says (n8n: `legacy`, `data:<id>`).
 *
 * A keyring is immutable; names are unique and not empty; no named key is empty.
 */
export class Keyring {
  readonly primary: Key;
  /**
   * The key that a field with `becomes: primary` holds: the master key. After a rollback it is the key that was there
   * before, n8n's legacy key. Null: any key, since nothing tells.
   */
  readonly stored: Key | null;
  /** Further keys that values may still be under, in the order in which they are tried: what the application reads too. */
  readonly others: readonly Keyring[];
  /**
   * The name of the only key that values may be under, `primary` for the master key. Null: each value stays under its own.
   */
  readonly only: string | null;
  /** Whether it is what the application reads with after the run: of a field that gets another format, the new one. */
  readonly isAfter: boolean;
  readonly #named: ReadonlyMap<string, Key>;
  readonly #parts = new Map<string, Keyring>();

  constructor(
    primary: Key,
    named: Iterable<readonly [string, Key]> = [],
    others: Iterable<Key> = [],
    stored: Key | null = primary,
    only: string | null = null,
    isAfter = false,
  ) {
    const map = new Map<string, Key>();
    for (const [name, key] of named) {
      if (name === '' || map.has(name)) {
        throw new KeyturnError('source-key', `found more than one key named "${name}"`, {
          hint: 'each source key of a job needs a name of its own; check sourceKeys in the job file',
        });
      }
      if (key.bytes.length === 0) throw new KeyturnError('source-key', `the key "${name}" is empty`);
      map.set(name, key);
    }
    this.primary = primary;
    this.stored = stored;
    this.only = only;
    this.isAfter = isAfter;
    this.#named = map;
    this.others = [...others].map((key) => new Keyring(key, [], [], key, null, isAfter));
  }

  /** The same keys, after the run. */
  after(): Keyring {
    const others = this.others.map(({ primary }) => primary);
    return new Keyring(this.primary, this.#named, others, this.stored, this.only, true);
  }

  /** The same keys, with another key in the field that holds the master key. */
  storing(stored: Key | null): Keyring {
    const named = [...this.#named];
    return new Keyring(
      this.primary,
      named,
      this.others.map(({ primary }) => primary),
      stored,
      this.only,
      this.isAfter,
    );
  }

  /** A ring whose master key is a further key of this one's (`Key.part`). Undefined: there is no such key. */
  part(name: string): Keyring | undefined {
    const known = this.#parts.get(name);
    if (known !== undefined) return known;
    const key = this.primary.part(name);
    if (key === undefined) return undefined;
    const ring = new Keyring(key, [], [], key, null, this.isAfter);
    this.#parts.set(name, ring);
    return ring;
  }

  /** This ring alone, and each of the further keys as a ring of its own. */
  get each(): readonly Keyring[] {
    return [this, ...this.others];
  }

  /** The ring with which all values are under one key: the named one, or the master key. */
  narrowed(only: string): Keyring {
    if (only === 'primary') return new Keyring(this.primary, [], [], this.primary, only, this.isAfter);
    const key = this.named(only);
    if (key === undefined)
      throw new KeyturnError('source-key', `the key "${only}" is not in the database`, {
        hint: 'restore its row: values need it',
      });
    return new Keyring(this.primary, [[only, key]], [], this.primary, only, this.isAfter);
  }

  /** This ring with one more key. */
  with(name: string, key: Key): Keyring {
    const named = [...this.#named, [name, key] as const];
    return new Keyring(
      this.primary,
      named,
      this.others.map(({ primary }) => primary),
    );
  }

  named(name: string): Key | undefined {
    return this.#named.get(name);
  }

  get names(): readonly string[] {
    return [...this.#named.keys()];
  }

  /**
   * Whether values that were sealed with this key can be read with this ring. A text key and a raw key differ even if
   * their bytes are equal: they are used in different places.
   */
  holds(key: Key): boolean {
    const same = (held: Key): boolean => held.isText === key.isText && held.equals(key);
    return same(this.primary) || [...this.#named.values()].some(same);
  }
}
