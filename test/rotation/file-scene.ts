import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { consent, emptyFolder } from '../commands/keyturn.ts';
import { type Ended, keyturn, type Running } from '../support/cli.ts';
import { makeTree, problemsOf, sealText, type Tree } from '../support/files/tree.ts';
import { keyturnHere } from '../support/in-process.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { createSqlite } from '../support/sqlite.ts';

export const old = createHash('sha256').update('the old key').digest().subarray(0, 16);
export const next = createHash('sha256').update('the new key').digest();

const left: (() => Promise<void> | void)[] = [];

/** Runs after the test, before what was made earlier is removed. */
export function leaving(leave: () => void): void {
  left.push(leave);
}

/** Call this after each test. */
export async function leaveScenes(): Promise<void> {
  for (const leave of left.splice(0).reverse()) await leave();
}

const job = `
job: filed
title: Filed
key: { form: base64, bytes: [16, 32], generate: { bytes: 32, as: base64 } }
canary:
  - { table: secret, column: value, format: octopus, plaintext: utf8 }
phases:
  - name: values
    targets:
      - table: secret
        fields:
          - { column: value, format: octopus, plaintext: utf8 }
`;

/** A database with a table of secrets, and a folder of encrypted files beside it. */
export interface Scene {
  readonly path: string;
  readonly world: TestDatabase;
  readonly tree: Tree;
  /** The database and the keys. */
  readonly where: readonly string[];
  readonly rotation: readonly string[];
  readonly attachments: readonly string[];
  run(args: readonly string[], more?: Partial<Running>): Promise<Ended>;
}

export async function sceneOf(
  create: () => Promise<TestDatabase>,
  files: string,
  count?: number,
): Promise<Scene> {
  const world = await create();
  left.push(() => world.close());
  const { path, remove } = emptyFolder();
  left.push(remove);
  await world.exec('create table secret (id integer primary key, value text not null)');
  for (let i = 0; i < 30; i++)
    await world.exec(`insert into secret values (${i}, '${sealText(`a secret number ${i}`, old)}')`);
  const tree = makeTree(join(path, 'attachments'), old, next, count);
  writeFileSync(join(path, 'job.yaml'), job + files);
  const file = (name: string, key: Buffer): string => {
    writeFileSync(join(path, name), key.toString('base64'), { mode: 0o600 });
    return join(path, name);
  };
  const keys = ['--current-key-file', file('old.key', old), '--new-key-file', file('new.key', next)];
  const where = ['--database', world.url, ...keys];
  const attachments = ['--attachments', tree.folder];
  return {
    path,
    world,
    tree,
    where,
    attachments,
    rotation: ['rotate', '--job', join(path, 'job.yaml'), ...where, ...consent, '--force'],
    run: (args, more) =>
      more === undefined ? keyturnHere(args, path) : keyturn(args, { cwd: path, ...more }),
  };
}

export function expectCode({ code, signal, stdout, stderr }: Ended, expected: number): void {
  expect({ code, signal, said: code === expected ? '' : stdout + stderr }).toEqual({
    code: expected,
    signal: null,
    said: '',
  });
}

/** Kills the run at `<step>:<chunk>` for each of these; the last process finishes it. */
export async function expectFinished(scene: Scene, kills: readonly string[]): Promise<void> {
  const { run, rotation, attachments, where, tree } = scene;
  // One worker: with two, the other may have done the fourth chunk meanwhile
  const begin = [...rotation, '--workers', '1', ...attachments, '--chunk-rows', '12'];
  const resume = ['resume', ...where, ...attachments, '--force', '--workers', '1'];
  for (const [i, killAt] of kills.entries())
    expect(await run(i === 0 ? begin : resume, { killAt })).toMatchObject({ signal: 'SIGKILL' });
  expectCode(await run(resume), 0);
  expect(problemsOf(tree, next)).toEqual([]);
}

export const engines = [
  ['sqlite', createSqlite],
  ['postgres', createDatabase],
] as const;

export const wholeFolder = 'files: { format: octopus-stream }\n';
