import { KeyturnError } from '../error.ts';

const units: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };

/** @param option as it was given, for the message */
export function bytesOf(size: string, option: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([KMGT]?B)$/i.exec(size) ?? [];
  const factor = units[unit?.toUpperCase() ?? ''];
  if (number !== undefined && factor !== undefined) return Number(number) * factor;
  throw new KeyturnError('bad-option', `${option}: ${size} is not a valid size`, {
    hint: 'expected a size such as 500MB or 10GB',
  });
}
