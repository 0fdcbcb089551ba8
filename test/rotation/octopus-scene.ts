import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { consent, emptyFolder } from '../commands/keyturn.ts';
import type { Ended } from '../support/cli.ts';
import { keyturnHere } from '../support/in-process.ts';
import { checkOctopus } from '../support/octopus/check.ts';
import type { Dialect } from '../support/octopus/dialect.ts';
import { makeOctopus, type Wish } from '../support/octopus/make.ts';
import { seeOctopus } from '../support/octopus/seen.ts';
import type { Truth } from '../support/octopus/truth.ts';
import type { TestDatabase } from '../support/postgres.ts';

/** The real command over a database in the shape of Octopus Deploy's, judged by a checker that shares nothing with it. */

interface Keys {
  readonly old: Buffer;
  readonly next: Buffer;
}

/** The same in every run: what opens by chance, 1 value in 255, is the same then too. */
export function keysOf(from: number, to: number): Keys {
  const key = (name: string, bytes: number): Buffer =>
    createHash('sha256').update(name).digest().subarray(0, bytes);
  return { old: key('the old key', from), next: key('the new key', to) };
}

const left: (() => Promise<void> | void)[] = [];

/** Call this after each test. */
export async function leaveScenes(): Promise<void> {
  for (const leave of left.splice(0).reverse()) await leave();
}

export interface Scene {
  /** The same for the same data. */
  readonly data: string;
  readonly world: TestDatabase;
  readonly truth: Truth;
  readonly path: string;
  /** `--database` and both key files. */
  readonly where: readonly string[];
  run(...args: string[]): Promise<Ended>;
  problems(): Promise<string[]>;
}

export async function sceneOf(
  create: () => Promise<TestDatabase>,
  dialect: Dialect,
  keys: Keys,
  wish: Pick<Wish, 'secrets' | 'projects' | 'without'> = { secrets: 500 },
): Promise<Scene> {
  const { old, next } = keys;
  const world = await create();
  left.push(() => world.close());
  const { path, remove } = emptyFolder();
  left.push(remove);
  const truth = await makeOctopus(world.exec, dialect, {
    key: old,
    nextKeys: [next],
    ...wish,
  });
  const seenBefore = await seeOctopus(world.exec, dialect, truth.tables);
  const file = (name: string, key: Buffer): string => {
    writeFileSync(`${path}/${name}`, key.toString('base64'), { mode: 0o600 });
    return `${path}/${name}`;
  };
  const current = ['--current-key-file', file('old.key', old)];
  return {
    data: JSON.stringify([new URL(world.url).protocol, old.length, next.length, wish]),
    world,
    truth,
    path,
    where: ['--database', world.url, ...current, '--new-key-file', file('new.key', next)],
    run: (...args) => keyturnHere(args, path),
    problems: () => checkOctopus(world.exec, dialect, truth, next, { seenBefore, oldKey: old }),
  };
}

// The test's own connection would be taken for the application's
export const rotation = ['rotate', '--job', 'octopus', '--no-attachments', ...consent, '--force'];
/** Holds no ciphertext, but of values with a ciphertext's size 1 in 255 seems to open. */
export const preview = ['--decide', 'Blob.Preview=leave'];

/** Says what went wrong, if it did. */
export function expectCode({ code, stdout, stderr }: Ended, expected: number): void {
  expect({ code, said: code === expected ? '' : `${stdout}${stderr}` }).toEqual({ code: expected, said: '' });
}

const decided = new Map<string, Promise<readonly string[]>>();

/**
 * Settles every place where a scan finds undecided values. One scan for all tests with the same data: call it before they
 * are changed.
 */
export function decisions(scene: Scene): Promise<readonly string[]> {
  const known = decided.get(scene.data) ?? decide(scene);
  decided.set(scene.data, known);
  return known;
}

async function decide({ run, where }: Scene): Promise<readonly string[]> {
  const scanned = await run('scan', '--job', 'octopus', ...where.slice(0, 4), '--json');
  expect(scanned).toMatchObject({ code: 0 });
  const { places } = JSON.parse(scanned.stdout) as {
    places: { table: string; column: string; path: string; document: string; undecided: number }[];
  };
  return places
    .filter(({ undecided, document }) => undecided > 0 && document !== 'text')
    .flatMap(({ table, column, path }) => ['--decide', `${table}.${column}${path}=rotate`])
    .concat(preview);
}

/** All is rotated and verified, twice, and nothing else is changed. */
export async function expectRotated(scene: Scene, decided: readonly string[]): Promise<void> {
  const rotated = await scene.run(...rotation, ...scene.where, ...decided);
  expectCode(rotated, 0);
  expect(rotated.stdout).toMatch(/^VERIFIED: /);
  expect(await scene.problems()).toEqual([]);
  const [database, url = '', , , , next = ''] = scene.where;
  const verified = await scene.run('verify', database ?? '', url, '--current-key-file', next);
  expectCode(verified, 0);
}
