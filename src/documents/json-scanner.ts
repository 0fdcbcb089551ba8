import { type Leaf, MalformedDocument } from './document.ts';
import type { Track } from './json-track.ts';

/** RFC 8259, section 9, allows a limit on nesting; json-reader.ts has the same one. */
const maxDepth = 1000;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const arrayEnd = 0x5d;
const objectEnd = 0x7d;

/** Numbers and literals are skipped, never interpreted: 1e400 and 0.10 are valid. */
const scalar = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

interface Container<Position> {
  readonly place: Position;
  readonly end: typeof objectEnd | typeof arrayEnd;
  /** Members or items read so far, including the current one. */
  count: number;
}

/** One strict pass over a JSON text (RFC 8259) that decodes the strings that are leaves and records their offsets. */
export class JsonScanner<Position> {
  readonly #value: string;
  readonly #track: Track<Position>;
  readonly #within: number | undefined;
  readonly #open: Container<Position>[] = [];
  readonly #leaves: Leaf[] = [];
  #at = 0;

  /** @param within for the leaves */
  constructor(value: string, track: Track<Position>, within?: number) {
    this.#value = value;
    this.#track = track;
    this.#within = within;
  }

  leaves(): Leaf[] {
    this.#readValue(this.#track.root);
    for (let inner = this.#open.at(-1); inner !== undefined; inner = this.#open.at(-1)) this.#advance(inner);
    this.#skipSpace();
    if (this.#at < this.#value.length) this.#fail();
    return this.#leaves;
  }

  /** Reads a whole string or scalar, or the beginning of a container. */
  #readValue(place: Position): void {
    this.#skipSpace();
    const c = this.#value[this.#at];
    if (c === '"') this.#readLeaf(place);
    else if (c === '{') this.#enter(place, objectEnd);
    else if (c === '[') this.#enter(place, arrayEnd);
    else this.#pass(scalar);
  }

  #enter(place: Position, end: Container<Position>['end']): void {
    if (this.#open.length === maxDepth) this.#fail();
    this.#open.push({ place, end, count: 0 });
    this.#at++;
  }

  /** Reads the next member or item of the innermost container, or its end. */
  #advance(inner: Container<Position>): void {
    this.#skipSpace();
    if (this.#value.charCodeAt(this.#at) === inner.end) {
      this.#open.pop();
      this.#at++;
      return;
    }
    if (inner.count > 0) this.#expect(comma);
    const index = inner.count++;
    const { item, member } = this.#track;
    this.#readValue(inner.end === arrayEnd ? item(inner.place, index) : member(inner.place, this.#readKey()));
  }

  #readKey(): string {
    this.#skipSpace();
    const start = this.#at + 1;
    const key = this.#decode(start, this.#passString());
    this.#skipSpace();
    this.#expect(colon);
    return key;
  }

  #readLeaf(place: Position): void {
    const start = this.#at + 1;
    const escaped = this.#passString();
    const path = this.#track.path(place);
    if (path === undefined) return;
    const text = this.#decode(start, escaped);
    const [end, within] = [this.#at - 1, this.#within];
    this.#leaves.push(within === undefined ? { path, text, start, end } : { path, text, start, end, within });
  }

  /** Skips a string with its quotes. Returns whether it contains escapes. */
  #passString(): boolean {
    this.#expect(quote);
    let escaped = false;
    for (;;) {
      const c = this.#value.charCodeAt(this.#at);
      if (c === quote) break;
      if (c === backslash) {
        escaped = true;
        this.#pass(escapeSequence);
      } else if (c >= 0x20) this.#at++;
      else this.#fail(); // a control character, or NaN at the end
    }
    this.#at++;
    return escaped;
  }

  /** The text of the string just skipped. Its escapes are known to be valid. JSON.parse keeps lone surrogates. */
  #decode(start: number, escaped: boolean): string {
    return escaped
      ? JSON.parse(this.#value.slice(start - 1, this.#at))
      : this.#value.slice(start, this.#at - 1);
  }

  #pass(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#value)) this.#fail();
    this.#at = pattern.lastIndex;
  }

  #expect(code: number): void {
    if (this.#value.charCodeAt(this.#at) !== code) this.#fail();
    this.#at++;
  }

  #skipSpace(): void {
    for (;;) {
      const c = this.#value.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.#at++;
    }
  }

  #fail(): never {
    throw new MalformedDocument('json', this.#at);
  }
}
