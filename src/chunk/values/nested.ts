import type { Format } from '../../formats/format.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import type { Rotation } from './classify.ts';
import { peel } from './layers.ts';
import type { Value } from './value.ts';

/**
 * Values that were encrypted twice: the plaintext is ciphertext of the job under an old key. Rotated as they are, they
 * would need the old key for ever. What the digest covers is the innermost plaintext.
 */
export function settleNested(
  values: readonly Value[],
  { from, to, nested }: Rotation,
  kept: { keeps(format: Pick<Format, 'keeps'>, text: string, key: Key): boolean },
): void {
  for (const { value, layers, plain } of peeled(values.filter(isSettled), [...from.each, to])) {
    if (
      value.outcome === 'current' &&
      layers.every(({ format, text, key }) => kept.keeps(format, text, key))
    ) {
      value.plain = plain;
      value.layers = layers;
    } else if (nested === undefined) markNested(value, to);
    else {
      value.outcome = 'rotated';
      value.isNested = true;
      value.plain = plain;
      value.layers = nested === 'rotate' ? layers : layers.slice(1);
    }
  }
}

/** For values that stay: what the verifier will find in them with the new key. */
export function peelAsVerified(values: readonly Value[], to: Keyring): void {
  for (const { value, layers, plain } of peeled(values, [to])) Object.assign(value, { layers, plain });
}

/** Those that are ciphertext below their first layer. */
function peeled(values: readonly Value[], rings: readonly Keyring[]) {
  const formats = values[0]?.prepared.layers ?? [];
  const opened = values.filter(
    ({ plain, prepared }) => plain !== null && prepared.field.becomes === undefined,
  );
  const found = peel(
    opened.map(({ plain }) => plain as Buffer),
    formats,
    rings,
  );
  return opened.flatMap((value, i) => {
    const { layers = [], plain = null } = found[i] ?? {};
    return layers.length === 0 ? [] : [{ value, layers, plain }];
  });
}

function isSettled({ outcome }: Value): boolean {
  return outcome === 'rotated' || outcome === 'current';
}

function markNested(value: Value, to: Keyring): void {
  if (value.outcome === 'rotated') value.plain = null;
  else peelAsVerified([value], to);
  value.outcome = 'exceptions';
  value.reason = 'nested';
}
