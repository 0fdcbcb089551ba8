import { type Edit, type Leaf, MalformedDocument } from './document.ts';

/**
 * What PHP's serialize() writes after its length in bytes: `s:5:"hello";`, `C:3:"Own":2:{…}`
 * (https://www.php.net/manual/function.serialize.php). A string may itself contain serialized text.
 */
const counted = /(?<!\w)(?:s:(\d+):"|C:\d+:"[^"]*":(\d+):\{)/g;

interface CountedString {
  readonly bytes: number;
  readonly digits: Leaf;
  readonly start: number;
  readonly end: number;
}

/** In order, each before those inside it. Throws MalformedDocument if a length is wrong. */
export function countedStrings(value: string): CountedString[] {
  const found: CountedString[] = [];
  let offsets: Offsets | undefined;
  for (const { 0: head, 1: text, 2: object, index } of value.matchAll(counted)) {
    const digits = text ?? object ?? '';
    const bytes = Number(digits);
    const start = index + head.length;
    offsets ??= offsetsOf(value);
    const end = offsets.after(start, bytes);
    if (!value.startsWith(text === undefined ? '}' : '";', end)) throw new MalformedDocument('within', index);
    // The digits are before `:"` or `:{`
    const at = start - 2 - digits.length;
    found.push({ bytes, digits: { path: '', text: digits, start: at, end: at + digits.length }, start, end });
  }
  return found;
}

/** Corrects the lengths that edits change. From the inside out, since a new length may have more digits. */
export function corrections(value: string, edits: readonly Edit[]): Edit[] {
  if (edits.every((edit) => grown(edit) === 0)) return [];
  const corrected: Edit[] = [];
  for (const { bytes, digits, start, end } of countedStrings(value).reverse()) {
    let more = 0;
    for (const edit of [...edits, ...corrected])
      if (edit.leaf.start >= start && edit.leaf.end <= end) more += grown(edit);
    if (more !== 0) corrected.push({ leaf: digits, text: String(bytes + more) });
  }
  return corrected;
}

function grown({ leaf, text }: Edit): number {
  return Buffer.byteLength(text) - Buffer.byteLength(leaf.text);
}

interface Offsets {
  /** The offset that many bytes of UTF-8 after `start`; the end of the text if that is not between two characters. */
  after(start: number, bytes: number): number;
}

function offsetsOf(value: string): Offsets {
  if (Buffer.byteLength(value) === value.length) return { after: (start, bytes) => start + bytes };
  const bytesBefore = new Uint32Array(value.length + 1);
  for (let i = 0, bytes = 0; i <= value.length; i++) {
    bytesBefore[i] = bytes;
    bytes += bytesOf(value, i);
  }
  return {
    after(start, bytes) {
      const wanted = (bytesBefore[start] ?? 0) + bytes;
      let [low, high] = [start, value.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((bytesBefore[middle] ?? 0) < wanted) low = middle + 1;
        else high = middle;
      }
      return bytesBefore[low] === wanted ? low : value.length;
    },
  };
}

/**
 * UTF-8 bytes of one UTF-16 code unit; of a pair, half of the four. A lone surrogate is one byte
 * (databases/sqlite/text.ts).
 */
function bytesOf(value: string, i: number): number {
  const unit = value.charCodeAt(i);
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  if (unit < 0xd800 || unit > 0xdfff) return 3;
  const isFirst = unit < 0xdc00;
  const other = value.charCodeAt(isFirst ? i + 1 : i - 1);
  const isPair = isFirst ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other < 0xdc00;
  return isPair ? 2 : 1;
}

/** The same check for the verifier, on bytes. Throws MalformedDocument if a length is wrong. */
export function assertCounted(value: string): void {
  const bytes = Buffer.from(value.replace(/\p{Cs}/gu, '?'), 'utf8').toString('latin1');
  for (const { 0: head, 1: text, 2: object, index } of bytes.matchAll(counted)) {
    const end = index + head.length + Number(text ?? object);
    const closing = text === undefined ? bytes.slice(end, end + 1) : bytes.slice(end, end + 2);
    if (closing !== (text === undefined ? '}' : '";')) throw new MalformedDocument('within', index);
  }
}
