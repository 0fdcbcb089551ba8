import { type Edit, type Leaf, MalformedDocument } from './document.ts';

/**
 * What PHP's serialize() writes with its length in bytes before it: `s:5:"hello";`, `C:3:"Own":2:{…}`
 * (https://www.php.net/manual/function.serialize.php). A string may be serialized text itself.
 */
const counted = /(?<!\w)(?:s:(\d+):"|C:\d+:"[^"]*":(\d+):\{)/g;

interface CountedString {
  readonly bytes: number;
  readonly digits: Leaf;
  readonly start: number;
  readonly end: number;
}

/** In their order, an outer one before those inside it. Throws MalformedDocument where a length is not right. */
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
    // The digits stand before `:"` or `:{`
    const at = start - 2 - digits.length;
    found.push({ bytes, digits: { path: '', text: digits, start: at, end: at + digits.length }, start, end });
  }
  return found;
}

/** The lengths that edits make wrong, put right: from the inside out, for a new length may be longer itself. */
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
  /** Where so many bytes of UTF-8 behind a place end; behind the whole text where they do not end with a character. */
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

/** Of one UTF-16 unit: half of a pair's four. A lone surrogate stands for one byte (databases/sqlite/text.ts). */
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

/** The verifier's road, over bytes. Throws MalformedDocument where a length is not right. */
export function assertCounted(value: string): void {
  const bytes = Buffer.from(value.replace(/\p{Cs}/gu, '?'), 'utf8').toString('latin1');
  for (const { 0: head, 1: text, 2: object, index } of bytes.matchAll(counted)) {
    const end = index + head.length + Number(text ?? object);
    const closing = text === undefined ? bytes.slice(end, end + 1) : bytes.slice(end, end + 2);
    if (closing !== (text === undefined ? '}' : '";')) throw new MalformedDocument('within', index);
  }
}
