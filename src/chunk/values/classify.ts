import type { ExceptionReason } from '../../checkpoint/exception-table.ts';
import { provenSide } from '../../formats/changed-format.ts';
import { type Format, type Opening, provesKey } from '../../formats/format.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { byFormat } from './field-values.ts';
import { settleLabels } from './labels.ts';
import { peelAsVerified, settleNested } from './nested.ts';
import { isPlausible } from './plausible.ts';
import { type Ruling, rulingFor } from './rules.ts';
import { openValues, type Value } from './value.ts';

export interface Rotation {
  readonly from: Keyring;
  readonly to: Keyring;
  /**
   * `chunk`: all values are under the current key, according to the checkpoint, unless `tryAll` is set.
   * `sweep`: values may be under any key.
   */
  readonly mode: 'chunk' | 'sweep';
  /**
   * Values of chunks may be under any key too: every key is tried on every value whose opening alone proves nothing.
   */
  readonly tryAll?: boolean;
  /** Rows that may have values under the new key already, by the digest of their id. Absent or null: all. */
  readonly known?: ReadonlySet<string> | null;
  /** For a sweep: indexes of rows in which a value that opens under both is known to be under the old keys. */
  readonly asLeft?: ReadonlySet<number>;
  /** The operator's decision on values that are encrypted twice. Absent: none, so each is an exception. */
  readonly nested?: 'rotate' | 'unwrap' | undefined;
}

/**
 * Opens all pending values and decides what becomes of them (invariant 6). If an opening proves the key, the other keys
 * are tried only on values that the current key does not open. Otherwise, as soon as any value may be under another key
 * than the current one, all keys are tried on all values.
 */
export function classify(values: readonly Value[], rotation: Rotation): void {
  const kept = new KeptKeys(rotation.to);
  const { mode, tryAll = false, from } = rotation;
  const anyKey = mode === 'sweep' || tryAll || from.others.length > 0;
  for (const [format, batch] of byFormat(values.filter(isPending))) {
    if (provesKey(format)) classifyByProof(format, batch, rotation, kept);
    else if (anyKey) classifyByAllKeys(format, batch, rotation, kept);
    else classifyByCurrentKey(format, batch, rotation, kept);
  }
  settleNested(values, rotation, kept);
  settleLabels(values, rotation);
  peelAsVerified(values.filter(staysUndecided), rotation.to);
  openWithNewKeys(values, rotation.to);
}

/** It was opened, but by which key is unknown. */
function staysUndecided({ outcome }: Value): boolean {
  return outcome === 'undecided';
}

function isPending({ outcome, leaf }: Value): boolean {
  return outcome === 'nothing' && leaf !== null;
}

/** A value that stays as it is and was not opened. The verifier may open it nevertheless. */
function isLeft({ outcome, leaf, plain }: Value): boolean {
  return (
    leaf !== null &&
    plain === null &&
    (outcome === 'lookAlikes' || outcome === 'exceptions' || outcome === 'undecided')
  );
}

/** The first key that opens a value is its key. Order: the current key, the other keys, the new key. */
function classifyByProof(
  format: Format,
  values: readonly Value[],
  { from, to }: Rotation,
  kept: KeptKeys,
): void {
  const openings = openValues(format, values, from);
  for (const ring of [...from.others, to]) {
    const closed = openings.flatMap((opening, at) => (opening === 'closed' ? [at] : []));
    if (closed.length === 0) break;
    const again = openValues(
      format,
      closed.map((at) => values[at] as Value),
      ring,
    );
    closed.forEach((at, i) => {
      const opening = again[i];
      const value = values[at];
      if (typeof opening !== 'object' || value === undefined) return;
      openings[at] = opening;
      value.isUnderNewKey = ring === to;
    });
  }
  for (const [i, value] of values.entries()) markByOpening(value, openings[i] ?? 'closed', from, to, kept);
}

function classifyByCurrentKey(
  format: Format,
  values: readonly Value[],
  { from, to }: Rotation,
  kept: KeptKeys,
): void {
  const openings = openValues(format, values, from);
  for (const [i, value] of values.entries()) markByOpening(value, openings[i] ?? 'closed', from, to, kept);
  const closed = values.filter(({ reason }) => reason === 'does-not-open' || reason === 'implausible');
  if (closed.length === 0) return;
  const after = openValues(format, closed, to);
  closed.forEach((value, i) => {
    if (typeof plausible(after[i] ?? 'closed', value) !== 'object') return;
    value.reason = 'under-new-key';
    value.isUnderNewKey = true;
  });
}

function markByOpening(value: Value, opening: Opening, from: Keyring, to: Keyring, kept: KeptKeys): void {
  if (value.prepared.rules !== null)
    applyRuling(value, opening, rulingFor(value, value.table, opening), kept);
  else if (opening === 'foreign') markForeign(value, from, to);
  else if (opening === 'closed') markClosed(value, 'does-not-open');
  else markOpened(value, opening, kept);
}

/**
 * A value that stays is digested as the verifier will read it: under the new key, which may by chance seem to open a
 * value that is under another key, or under none.
 */
function openWithNewKeys(values: readonly Value[], to: Keyring): void {
  const left = values.filter(isLeft);
  for (const [format, batch] of byFormat(left)) {
    const openings = openValues(format, batch, to);
    batch.forEach((value, i) => {
      const opening = plausible(openings[i] ?? 'closed', value);
      if (!isOpened(opening)) return;
      // The verifier takes another content than the new key for one that does not open
      const isMaster = value.prepared.field.becomes === 'primary';
      if (!isMaster || opening.plain.toString('utf8') === to.stored?.text)
        Object.assign(value, { plain: opening.plain, layers: [] });
    });
  }
  peelAsVerified(left, to);
}

function applyRuling(value: Value, opening: Opening, ruling: Ruling, kept: KeptKeys): void {
  if (ruling === 'rotate' && typeof opening === 'object') {
    value.outcome = kept.stays(value, opening) ? 'current' : 'rotated';
    value.plain = opening.plain;
  } else if (ruling === 'exception') {
    value.outcome = 'exceptions';
    value.reason = 'does-not-open';
  } else if (ruling === 'undecided') {
    value.outcome = 'undecided';
    value.reason = 'undecided-place';
  } else if (ruling === 'look-alike') value.outcome = 'lookAlikes';
}

function classifyByAllKeys(
  format: Format,
  values: readonly Value[],
  { from, to, asLeft }: Rotation,
  kept: KeptKeys,
): void {
  const before = from.each.map((ring) => openValues(format, values, ring));
  const after = openValues(format, values, to);
  const proven = provenSide(format);
  values.forEach((value, i) => {
    const olds = before.map((openings) => plausible(openings[i] ?? 'closed', value)).filter(isOpened);
    const current = plausible(after[i] ?? 'closed', value);
    const [old] = olds;
    const opening = before[0]?.[i] ?? 'closed';
    if (isOpened(current) && proven.after) {
      markCurrent(value, current);
      value.isUnderNewKey = true;
    } else if (old !== undefined && proven.before) markOpened(value, old, kept);
    else if (old === undefined && !isOpened(current)) markByOpening(value, opening, from, to, kept);
    else if (old === undefined) {
      markCurrent(value, current as Opened);
      value.isUnderNewKey = true;
    } else if (olds.length === 1 && (!isOpened(current) || asLeft?.has(value.row) === true)) {
      if (value.prepared.rules !== null) applyRuling(value, old, 'rotate', kept);
      else markOpened(value, old, kept);
    } else if (isOpened(current) && kept.stays(value, old)) markCurrent(value, current);
    else markUndecided(value, isOpened(current) ? current.plain : null);
  });
}

type Opened = Exclude<Opening, string>;

function isOpened(opening: Opening): opening is Opened {
  return typeof opening === 'object';
}

function markCurrent(value: Value, opening: Opened): void {
  value.outcome = 'current';
  value.plain = opening.plain;
}

/** Returns 'closed' if the plaintext is not plausible. */
function plausible(opening: Opening, value: Value): Opening {
  if (typeof opening === 'string') return opening;
  const { rules, field } = value.prepared;
  const counts =
    rules === null
      ? isPlausible(opening.plain, field.plaintext)
      : rulingFor(value, value.table, opening) === 'rotate';
  return counts ? opening : 'closed';
}

/** Whether values under a key stay as they are. Computed once per key. */
class KeptKeys {
  readonly #to: Keyring;
  readonly #known = new Map<Key, boolean>();

  constructor(to: Keyring) {
    this.#to = to;
  }

  /** Whether the value stays as it is. The master key itself is replaced in its own field, whatever encrypts it. */
  stays({ prepared: { format, field }, text }: Value, { plain, key }: Opened): boolean {
    const { stored } = this.#to;
    if (field.becomes === 'primary' && stored !== null && plain.toString('utf8') !== stored.text)
      return false;
    return this.keeps(format, text, key);
  }

  keeps({ keeps }: Pick<Format, 'keeps'>, text: string, key: Key): boolean {
    return this.#holds(key) && (keeps === undefined || keeps(text, this.#to));
  }

  #holds(key: Key): boolean {
    let answer = this.#known.get(key);
    if (answer === undefined) {
      answer = this.#to.holds(key);
      this.#known.set(key, answer);
    }
    return answer;
  }
}

function markOpened(value: Value, opening: Opened, kept: KeptKeys): void {
  if (!isPlausible(opening.plain, value.prepared.field.plaintext)) {
    markClosed(value, 'implausible');
    return;
  }
  value.outcome = kept.stays(value, opening) ? 'current' : 'rotated';
  value.plain = opening.plain;
}

function markClosed(value: Value, reason: ExceptionReason): void {
  if (value.prepared.field.closed === 'look-alike') value.outcome = 'lookAlikes';
  else {
    value.outcome = 'exceptions';
    value.reason = reason;
  }
}

/** The value stays as it is. Its digest is of what the new key reads, so that the verifier does not sweep it again. */
function markUndecided(value: Value, plain: Buffer | null): void {
  value.outcome = 'undecided';
  value.reason = 'undecided';
  value.plain = plain;
}

/** The stored text is not ciphertext of this format. */
function markForeign(value: Value, from: Keyring, to: Keyring): void {
  const { field, searching } = value.prepared;
  if (searching) return;
  if (field.foreign === 'replace' && isMasterKeyInClear(value.text, from)) {
    // The application stored its key unencrypted. The next one is stored like that too, as this version reads it
    value.outcome = 'rotated';
    value.sealed = (to.stored ?? to.primary).text;
  } else if (field.foreign === 'replace' && value.text === to.stored?.text) value.outcome = 'current';
  else if (field.foreign === 'leave') value.outcome = 'current';
  else {
    value.outcome = 'exceptions';
    value.reason = 'not-ciphertext';
  }
}

function isMasterKeyInClear(text: string, from: Keyring): boolean {
  return text === from.primary.text || from.names.some((name) => from.named(name)?.text === text);
}
