import type { ExceptionReason } from '../checkpoint/exception-table.ts';
import type { Opening } from '../formats/format.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { byFormat } from './field-values.ts';
import { isPlausible } from './plausible.ts';
import { type Ruling, rulingFor } from './rules.ts';
import { textsOf, type Value } from './value.ts';

export interface Rotation {
  readonly from: Keyring;
  readonly to: Keyring;
  /**
   * `chunk`: everything is under the old keys, as the checkpoint says; nothing is tried.
   * `sweep`: the old and the new keys have to be tried, and what opens under both is undecided (invariant 6).
   */
  readonly mode: 'chunk' | 'sweep';
  /** Of a sweep: rows (by their place among those given) where what opens under both is known to be under the old keys. */
  readonly asLeft?: ReadonlySet<number>;
}

/** Opens what is not settled yet, and decides what becomes of it. */
export function classify(values: readonly Value[], rotation: Rotation): void {
  const open = values.filter(isPending);
  if (rotation.mode === 'chunk') classifyChunk(open, rotation);
  else classifySweep(open, rotation);
}

function isPending({ outcome, leaf }: Value): boolean {
  return outcome === 'nothing' && leaf !== null;
}

function isLeftByRules({ prepared, outcome, plain }: Value): boolean {
  return prepared.rules !== null && outcome !== 'nothing' && outcome !== 'rotated' && plain === null;
}

function classifyChunk(values: readonly Value[], { from, to }: Rotation): void {
  const kept = new KeptKeys(to);
  for (const [format, batch] of byFormat(values)) {
    const openings = format.open(textsOf(batch), from);
    for (const [i, value] of batch.entries()) {
      const opening = openings[i] ?? 'closed';
      if (value.prepared.rules !== null)
        applyRuling(value, opening, rulingFor(value, value.table, opening), kept);
      else if (opening === 'foreign') markForeign(value, from, to);
      else if (opening === 'closed') markClosed(value, 'does-not-open');
      else markOpened(value, opening, kept);
    }
  }
  openWithNewKeys(values, to);
}

/**
 * What stays in a place that the rules judge is digested as the verifier will read it: under the new key, with which a
 * look-alike seems to open once in a while.
 */
function openWithNewKeys(values: readonly Value[], to: Keyring): void {
  for (const [format, batch] of byFormat(values.filter(isLeftByRules))) {
    const openings = format.open(textsOf(batch), to);
    batch.forEach((value, i) => {
      const opening = openings[i];
      if (typeof opening === 'object' && rulingFor(value, value.table, opening) === 'rotate')
        value.plain = opening.plain;
    });
  }
}

function applyRuling(value: Value, opening: Opening, ruling: Ruling, kept: KeptKeys): void {
  if (ruling === 'rotate' && typeof opening === 'object') {
    value.outcome = kept.holds(opening.key) ? 'current' : 'rotated';
    value.plain = opening.plain;
  } else if (ruling === 'exception') {
    value.outcome = 'exceptions';
    value.reason = 'does-not-open';
  } else if (ruling === 'undecided') {
    value.outcome = 'undecided';
    value.reason = 'undecided-place';
  } else if (ruling === 'look-alike') value.outcome = 'lookAlikes';
}

function classifySweep(values: readonly Value[], { from, to, asLeft }: Rotation): void {
  const kept = new KeptKeys(to);
  for (const [format, batch] of byFormat(values)) {
    const texts = textsOf(batch);
    const before = format.open(texts, from);
    const after = format.open(texts, to);
    batch.forEach((value, i) => {
      const old = plausible(before[i] ?? 'closed', value);
      const current = plausible(after[i] ?? 'closed', value);
      if (typeof current === 'string' && typeof old === 'string') {
        if (value.prepared.rules !== null) {
          const opening = before[i] ?? 'closed';
          applyRuling(value, opening, rulingFor(value, value.table, opening), kept);
        } else if (old === 'foreign') markForeign(value, from, to);
        else markClosed(value, 'does-not-open');
      } else if (typeof current === 'string' || (typeof old !== 'string' && asLeft?.has(value.row))) {
        if (value.prepared.rules !== null) applyRuling(value, old, 'rotate', kept);
        else markOpened(value, old as Exclude<Opening, string>, kept);
      } else if (typeof old !== 'string' && !kept.holds(old.key) && !format.authenticated)
        markUndecided(value, current.plain);
      else {
        value.outcome = 'current';
        value.plain = current.plain;
      }
    });
  }
}

/** An opening that counts as none is 'closed'. */
function plausible(opening: Opening, value: Value): Opening {
  if (typeof opening === 'string') return opening;
  const { rules, field } = value.prepared;
  const counts =
    rules === null
      ? isPlausible(opening.plain, field.plaintext)
      : rulingFor(value, value.table, opening) === 'rotate';
  return counts ? opening : 'closed';
}

/** Whether values under a key stay as they are; asked once per key. */
class KeptKeys {
  readonly #to: Keyring;
  readonly #known = new Map<Key, boolean>();

  constructor(to: Keyring) {
    this.#to = to;
  }

  holds(key: Key): boolean {
    let answer = this.#known.get(key);
    if (answer === undefined) {
      answer = this.#to.holds(key);
      this.#known.set(key, answer);
    }
    return answer;
  }
}

function markOpened(value: Value, opening: Exclude<Opening, string>, kept: KeptKeys): void {
  if (!isPlausible(opening.plain, value.prepared.field.plaintext)) {
    markClosed(value, 'implausible');
    return;
  }
  value.outcome = kept.holds(opening.key) ? 'current' : 'rotated';
  value.plain = opening.plain;
}

function markClosed(value: Value, reason: ExceptionReason): void {
  if (value.prepared.field.closed === 'look-alike') value.outcome = 'lookAlikes';
  else {
    value.outcome = 'exceptions';
    value.reason = reason;
  }
}

/** It is left as it is, and digested as what the new key reads: the verifier finds that, and does not sweep it again. */
function markUndecided(value: Value, plain: Buffer): void {
  value.outcome = 'undecided';
  value.reason = 'undecided';
  value.plain = plain;
}

/** The stored text is no ciphertext of this format. */
function markForeign(value: Value, from: Keyring, to: Keyring): void {
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
