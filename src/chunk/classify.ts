import type { ExceptionReason } from '../checkpoint/exception-table.ts';
import type { Opening } from '../formats/format.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { byFormat } from './field-values.ts';
import { isPlausible } from './plausible.ts';
import { type Verdict, verdictOf } from './rules.ts';
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
  const open = values.filter(isUnsettled);
  if (rotation.mode === 'chunk') classifyChunk(open, rotation);
  else classifySweep(open, rotation);
}

function isUnsettled({ outcome, leaf }: Value): boolean {
  return outcome === 'nothing' && leaf !== null;
}

function isLeftByRules({ prepared, outcome, plain }: Value): boolean {
  return prepared.rules !== null && outcome !== 'nothing' && outcome !== 'rotated' && plain === null;
}

function classifyChunk(values: readonly Value[], { from, to }: Rotation): void {
  const stays = new Staying(to);
  for (const [format, batch] of byFormat(values)) {
    const openings = format.open(textsOf(batch), from);
    for (const [i, value] of batch.entries()) {
      const opening = openings[i] ?? 'closed';
      if (value.prepared.rules !== null) settleByRules(value, opening, judged(value, opening), stays);
      else if (opening === 'foreign') settleForeign(value, from, to);
      else if (opening === 'closed') settleClosed(value, 'does-not-open');
      else settleOpened(value, opening, stays);
    }
  }
  readAfterwards(values, to);
}

/**
 * What stays in a place that the rules judge is digested as the verifier will read it: under the new key, with which a
 * look-alike seems to open once in a while.
 */
function readAfterwards(values: readonly Value[], to: Keyring): void {
  for (const [format, batch] of byFormat(values.filter(isLeftByRules))) {
    const openings = format.open(textsOf(batch), to);
    batch.forEach((value, i) => {
      const opening = openings[i];
      if (typeof opening === 'object' && judged(value, opening) === 'rotate') value.plain = opening.plain;
    });
  }
}

function judged({ prepared, path, stored, table }: Value, opening: Opening): Verdict {
  const { field, document, rules } = prepared;
  if (rules === null) throw new Error('there are no rules here');
  return verdictOf(opening, rules, placeText(table, field.column, path), () =>
    document.siblings(stored, path),
  );
}

function settleByRules(value: Value, opening: Opening, verdict: Verdict, stays: Staying): void {
  if (verdict === 'rotate' && typeof opening === 'object') {
    value.outcome = stays.holds(opening.key) ? 'current' : 'rotated';
    value.plain = opening.plain;
  } else if (verdict === 'exception') {
    value.outcome = 'exceptions';
    value.reason = 'does-not-open';
  } else if (verdict === 'undecided') {
    value.outcome = 'undecided';
    value.reason = 'undecided-place';
  } else if (verdict === 'look-alike') value.outcome = 'lookAlikes';
}

function classifySweep(values: readonly Value[], { from, to, asLeft }: Rotation): void {
  const stays = new Staying(to);
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
          settleByRules(value, opening, judged(value, opening), stays);
        } else if (old === 'foreign') settleForeign(value, from, to);
        else settleClosed(value, 'does-not-open');
      } else if (typeof current === 'string' || (typeof old !== 'string' && asLeft?.has(value.row))) {
        if (value.prepared.rules !== null) settleByRules(value, old, 'rotate', stays);
        else settleOpened(value, old as Exclude<Opening, string>, stays);
      } else if (typeof old !== 'string' && !stays.holds(old.key) && !format.authenticated)
        settleUndecided(value, current.plain);
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
    rules === null ? isPlausible(opening.plain, field.plaintext) : judged(value, opening) === 'rotate';
  return counts ? opening : 'closed';
}

/** Whether values under a key stay as they are; asked once per key. */
class Staying {
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

function settleOpened(value: Value, opening: Exclude<Opening, string>, stays: Staying): void {
  if (!isPlausible(opening.plain, value.prepared.field.plaintext)) {
    settleClosed(value, 'implausible');
    return;
  }
  value.outcome = stays.holds(opening.key) ? 'current' : 'rotated';
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
