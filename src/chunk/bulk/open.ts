import { isAscii, isUtf8 } from 'node:buffer';
import { bulkClosed, bulkForeign, bulkSlow, type Format } from '../../formats/format.ts';
import type { Field } from '../../job/job.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { bytesAt, startsOf, type Texts, textAt } from '../../texts.ts';
import { lookOf, peel } from '../values/layers.ts';
import { isPlausible } from '../values/plausible.ts';

/** What may be concluded from an opened value without looking at anything else. */
export interface Ordinary {
  readonly ring: Keyring;
  /** Keys of the ring whose values are not ordinary. */
  readonly except: (key: Key) => boolean;
  readonly plaintext: Field['plaintext'];
  /** Formats that the plaintext may be ciphertext of, and the rings that would open it. */
  readonly layers: readonly Format[];
  readonly rings: readonly Keyring[];
}

/** Plaintexts of the values that are ordinary: opened, as plausible as the job says, and no ciphertext themselves. */
export function openOrdinary(format: Format, sealed: Texts, ordinary: Ordinary): Texts {
  const opened =
    format.bulk === undefined ? openEach(format, sealed, ordinary) : openBulk(format, sealed, ordinary);
  dropImplausible(opened, ordinary.plaintext);
  dropLayered(opened, ordinary);
  return opened;
}

function openBulk(format: Format, sealed: Texts, { ring, except }: Ordinary): Texts {
  const { bulk } = format;
  if (bulk === undefined || except(bulk.key?.(ring) ?? ring.primary))
    return { ...sealed, lengths: sealed.lengths.map(() => bulkSlow) };
  return bulk.open(sealed, ring);
}

function openEach(format: Format, sealed: Texts, { ring, except }: Ordinary): Texts {
  const places: number[] = [];
  const texts: string[] = [];
  sealed.lengths.forEach((length, i) => {
    if (length <= 0) return;
    places.push(i);
    texts.push(textAt(sealed, i) ?? '');
  });
  const lengths = new Int32Array(sealed.lengths.length).fill(bulkForeign);
  const plains: Buffer[] = [];
  format.open(texts, ring).forEach((opening, n) => {
    const place = places[n] as number;
    if (opening === 'closed' || (typeof opening === 'object' && except(opening.key)))
      lengths[place] = bulkClosed;
    else if (opening !== 'foreign') {
      lengths[place] = opening.plain.length;
      plains.push(opening.plain);
    }
  });
  return { bytes: Buffer.concat(plains), starts: startsOf(lengths), lengths };
}

function dropImplausible(opened: Texts, expected: Field['plaintext']): void {
  const { bytes, starts, lengths } = opened;
  if (expected === 'any' || (expected === 'utf8' && isAscii(bytes))) return;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    if (length < 0) continue;
    if (expected === 'utf8' && isUtf8(bytes.subarray(starts[i], (starts[i] as number) + length))) continue;
    if (!isPlausible(bytesAt(opened, i), expected)) lengths[i] = bulkSlow;
  }
}

function dropLayered(opened: Texts, { layers, rings }: Ordinary): void {
  const { bytes, starts, lengths } = opened;
  const looks = layers.map((format) => lookOf(format, rings));
  const looking: number[] = [];
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    if (length < 0) continue;
    const start = starts[i] as number;
    for (const look of looks) {
      if (!look(bytes, start, length)) continue;
      looking.push(i);
      break;
    }
  }
  if (looking.length === 0) return;
  const plains = looking.map((i) => bytesAt(opened, i));
  peel(plains, layers, rings).forEach(({ layers: found }, n) => {
    if (found.length > 0) lengths[looking[n] as number] = bulkSlow;
  });
}
