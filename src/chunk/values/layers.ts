import { type Format, provesKey } from '../../formats/format.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Job } from '../../job/job.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { isPlausible } from './plausible.ts';
import { takesKey } from './strays.ts';

/** A ciphertext that is the plaintext of another one. */
export interface Layer {
  readonly format: Format;
  readonly text: string;
  readonly key: Key;
}

/** What a plaintext contains. */
export interface Peeled {
  /** From the outside in; empty: the plaintext is no ciphertext. */
  readonly layers: readonly Layer[];
  /** The innermost plaintext. */
  readonly plain: Buffer;
}

/** The formats of all fields, each once. */
export function layerFormats({ targets }: Pick<Job, 'targets'>): readonly Format[] {
  return [...new Set(targets.flatMap(({ fields }) => fields.map(({ format }) => formatOf(format))))];
}

/**
 * Opens plaintexts that are ciphertext themselves, down to the innermost. Hardly any plaintext is, so each is looked at
 * before anything is opened. A format without a beginning of its own, whose opening does not prove the key, cannot tell.
 */
export function peel(
  plains: readonly Buffer[],
  formats: readonly Format[],
  rings: readonly Keyring[],
): Peeled[] {
  const peeled = plains.map((plain) => ({ layers: [] as Layer[], plain }));
  const telling = formats.map((format) => ({ format, looks: lookOf(format, rings) }));
  for (let pending = peeled; pending.length > 0; ) {
    const opened = new Set<(typeof peeled)[number]>();
    for (const { format, looks } of telling) {
      const batch = pending.filter(({ plain }) => looks(plain, 0, plain.length));
      for (const ring of batch.length === 0 ? [] : rings.filter((each) => takesKey(format, each))) {
        const closed = batch.filter((each) => !opened.has(each));
        const texts = closed.map(({ plain }) => plain.toString('latin1'));
        format.open(texts, ring).forEach((opening, i) => {
          const of = closed[i];
          if (of === undefined || typeof opening === 'string') return;
          if (!provesKey(format) && !isPlausible(opening.plain, 'plausible')) return;
          of.layers.push({ format, text: texts[i] ?? '', key: opening.key });
          of.plain = opening.plain;
          opened.add(of);
        });
      }
    }
    pending = [...opened];
  }
  return peeled;
}

/** Seals a plaintext under the new key, layer by layer from the inside out. */
export function sealLayers(plain: Buffer, layers: readonly Layer[], to: Keyring): Buffer {
  return layers.reduceRight<Buffer>((inner, { format, text }) => {
    const [sealed = ''] = format.seal([inner], to, [text]);
    return Buffer.from(sealed, 'latin1');
  }, plain);
}

/** Whether the bytes from `start`, `length` of them, may be a ciphertext. */
export type Look = (bytes: Buffer, start: number, length: number) => boolean;

/** Whether a plaintext may be ciphertext of the format, by its first bytes. */
export function lookOf(format: Format, rings: readonly Keyring[]): Look {
  const beginnings = [
    ...new Set([format.signature?.beginning ?? '', ...rings.flatMap((ring) => format.prefixes(ring))]),
  ].filter((beginning) => beginning !== '');
  const shortest = format.sealedLength(0);
  if (beginnings.length > 0)
    return (bytes, start, length) =>
      beginnings.some((beginning) => beginsWith(bytes, start, length, beginning));
  if (!provesKey(format)) return () => false;
  return format.carries === 'bytes'
    ? (_bytes, _start, length) => length >= shortest
    : (bytes, start, length) => length >= shortest && isDense(bytes, start);
}

function beginsWith(bytes: Buffer, start: number, length: number, beginning: string): boolean {
  if (length < beginning.length) return false;
  for (let i = 0; i < beginning.length; i++) if (bytes[start + i] !== beginning.charCodeAt(i)) return false;
  return true;
}

/** Every encoding uses letters, digits and some signs, but no blank, quote or bracket, as text and JSON do. */
function isDense(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[start + i] ?? 0;
    const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
    if (!isLetter && !(byte >= 0x2b && byte <= 0x3a) && !'$=_|~'.includes(String.fromCharCode(byte)))
      return false;
  }
  return true;
}
