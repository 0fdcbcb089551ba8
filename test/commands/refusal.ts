import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { consent, type Folder, keyturn, tablesOf } from './keyturn.ts';

export interface Refusal {
  readonly code: string;
  readonly exitCode?: number;
  readonly message: RegExp | string;
  readonly hint?: RegExp | string;
}

/** Expects one error with a hint, the exit code, and an unchanged database file. */
export async function refuses(of: Folder, args: readonly string[], expected: Refusal): Promise<void> {
  const before = of.hash();
  const { code, stdout, stderr } = await keyturn([...args, '--json'], { cwd: of.path });
  expect({ code, stderr }).toMatchObject({ code: expected.exitCode ?? 2 });
  const { error } = JSON.parse(stdout);
  expect(error).toMatchObject({ code: expected.code, message: expect.stringMatching(expected.message) });
  expect(error.hint).toMatch(expected.hint ?? /\S/);
  expect(stderr.match(/^keyturn: error: /gm)).toHaveLength(1);
  expect(stderr).toContain(`keyturn: error: ${error.message}\nkeyturn: hint: ${error.hint}\n`);
  expect(of.hash()).toBe(before);
}

export async function refusesRotation(of: Folder, more: readonly string[], expected: Refusal): Promise<void> {
  const tables = tablesOf(of.database);
  await refuses(of, ['rotate', ...more, ...consent], expected);
  expect(tablesOf(of.database)).toEqual(tables);
}

/** The usual arguments with one option changed. */
export function withOption({ rotation }: Folder, name: string, value: string): string[] {
  return rotation.map((word, i) => (rotation[i - 1] === name ? value : word));
}

export function isMissing(path: string): boolean {
  try {
    readFileSync(path);
    return false;
  } catch {
    return true;
  }
}
