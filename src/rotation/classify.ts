import type { Opening } from '../formats/format.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { ExceptionReason } from './exception-table.ts';
import { byFormat, type PreparedField } from './field-values.ts';
import { isPlausible } from './plausible.ts';
import type { Value } from './value.ts';

export interface Rotation {
  readonly from: Keyring;
  readonly to: Keyring;
  /**
   * `chunk`: everything is under the old keys, as the checkpoint says; nothing is tried.
   * `sweep`: the old and the new keys have to be tried, and what opens under both is undecided (invariant 6).
   */
  readonly mode: 'chunk' | 'sweep';
}

/** Opens what is not settled yet, and decides what becomes of it. */
export function classify(values: readonly Value[], rotation: Rotation): void {
  const open = values.filter((value) => value.outcome === 'nothing' && value.leaf !== null);
  if (rotation.mode === 'chunk') classifyChunk(open, rotation);
  else classifySweep(open, rotation);
}

function classifyChunk(values: readonly Value[], { from, to }: Rotation): void {
  const stays = staying(to);
  for (const [format, batch] of byFormat(values)) {
    const openings = format.open(
      batch.map((value) => value.text),
      from,
    );
    batch.forEach((value, i) => {
      const opening = openings[i] ?? 'closed';
      if (opening === 'foreign') settleForeign(value, from, to);
      else if (opening === 'closed') settleClosed(value, 'does-not-open');
      else settleOpened(value, opening, stays);
    });
  }
}

function classifySweep(values: readonly Value[], { from, to }: Rotation): void {
  const stays = staying(to);
  for (const [format, batch] of byFormat(values)) {
    const texts = batch.map((value) => value.text);
    const before = format.open(texts, from);
    const after = format.open(texts, to);
    batch.forEach((value, i) => {
      const { plaintext } = value.prepared.field;
      const old = plausible(before[i] ?? 'closed', plaintext);
      const current = plausible(after[i] ?? 'closed', plaintext);
      if (typeof current === 'string' && typeof old === 'string') {
        if (old === 'foreign') settleForeign(value, from, to);
        else settleClosed(value, 'does-not-open');
      } else if (typeof current === 'string') settleOpened(value, old as Exclude<Opening, string>, stays);
      else if (typeof old !== 'string' && !stays(old.key) && !format.authenticated)
        settleUndecided(value, current.plain);
      else {
        value.outcome = 'current';
        value.plain = current.plain;
      }
    });
  }
}

function plausible(opening: Opening, plaintext: PreparedField['field']['plaintext']): Opening {
  return typeof opening === 'string' || isPlausible(opening.plain, plaintext) ? opening : 'closed';
}

/** Whether values under a key stay as they are; asked once per key. */
function staying(to: Keyring): (key: Key) => boolean {
  const known = new Map<Key, boolean>();
  return (key) => {
    const answer = known.get(key) ?? to.holds(key);
    known.set(key, answer);
    return answer;
  };
}

function settleOpened(value: Value, opening: Exclude<Opening, string>, stays: (key: Key) => boolean): void {
  if (!isPlausible(opening.plain, value.prepared.field.plaintext)) {
    settleClosed(value, 'implausible');
    return;
  }
  value.outcome = stays(opening.key) ? 'current' : 'rotated';
  value.plain = opening.plain;
}

function settleClosed(value: Value, reason: ExceptionReason): void {
  if (value.prepared.field.closed === 'look-alike') value.outcome = 'lookAlikes';
  else {
    value.outcome = 'exceptions';
    value.reason = reason;
  }
}

/** It is left as it is, and digested as what the new key reads: the verifier finds that, and does not sweep it again. */
function settleUndecided(value: Value, plain: Buffer): void {
  value.outcome = 'undecided';
  value.reason = 'undecided';
  value.plain = plain;
}

/** The stored text is no ciphertext of this format. */
function settleForeign(value: Value, from: Keyring, to: Keyring): void {
  const { field, searching } = value.prepared;
  if (searching) return;
  if (field.foreign === 'replace' && isMasterKeyInClear(value.text, from)) {
    // The application stored its key unwrapped; the new one takes the same form, which that version reads.
    value.outcome = 'rotated';
    value.sealed = to.primary.text;
  } else if (field.foreign === 'replace' && value.text === to.primary.text) value.outcome = 'current';
  else if (field.foreign === 'leave') value.outcome = 'current';
  else {
    value.outcome = 'exceptions';
    value.reason = 'not-ciphertext';
  }
}

function isMasterKeyInClear(text: string, from: Keyring): boolean {
  return text === from.primary.text || from.names.some((name) => from.named(name)?.text === text);
}
