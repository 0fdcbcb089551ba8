import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { checkOctopus } from './octopus/check.ts';
import { sqlite } from './octopus/dialect.ts';
import { makeOctopus } from './octopus/make.ts';
import { rewrite, rotation } from './octopus/plain-loop.ts';
import { halvesOf, openText, sealText } from './octopus/sealing.ts';
import { type Seen, seeOctopus } from './octopus/seen.ts';
import { traps } from './octopus/traps.ts';
import type { Truth } from './octopus/truth.ts';
import { worlds } from './octopus/worlds.ts';
import type { TestDatabase } from './postgres.ts';
import { Random } from './random.ts';
import { createSqlite } from './sqlite.ts';

/** All other tests rely on this checker: it must accept a correct rotation and name each wrong value. */

// To it MySQL is as MariaDB
describe.each(worlds.filter(([name]) => name !== 'mysql'))('octopus on %s', (_name, { create, dialect }) => {
  let world: TestDatabase;
  let truth: Truth;
  let before: Seen;
  const random = new Random('the checker');
  const key = random.bytes(32);
  const next = random.bytes(32);

  beforeAll(async () => {
    world = await create();
    truth = await makeOctopus(world.exec, dialect, { key, nextKeys: [next] });
    before = await seeOctopus(world.exec, dialect, truth.tables);
  });

  afterAll(() => world?.close());

  const check = (newKey: Buffer, oldKey = key) =>
    checkOctopus(world.exec, dialect, truth, newKey, { seenBefore: before, oldKey });

  test('contains what its truth says', async () => {
    const secrets = truth.values.filter(({ kind }) => kind === 'secret');
    expect(secrets.length).toBeGreaterThanOrEqual(2_000);
    expect(secrets.length).toBeLessThan(2_100);
    // With its own key nothing is wrong: every secret decrypts, and nothing has changed
    expect(await check(key)).toEqual([]);
    for (const [table, rows] of truth.rows) expect([table, before.get(table)?.size]).toEqual([table, rows]);
    expect(new Set(truth.values.flatMap(({ trap }) => trap ?? []))).toEqual(
      new Set([...Object.keys(traps), 'a binary column without ciphertext']),
    );
    // Frozen snapshots are most of the rows
    const sets = [...(before.get('VariableSet') ?? [])].map(([id]) => id);
    expect(sets.filter((id) => id.includes('-s-')).length).toBeGreaterThan(0.9 * sets.length);
  });

  test('contains the server certificate with the right thumbprint', () => {
    const { table, id, thumbprint, pfx } = truth.certificate;
    const document = before.get(table)?.get(id)?.get('JSON');
    const { CertificatePfx, Thumbprint } = JSON.parse(String(document));
    expect(Thumbprint).toBe(thumbprint);
    expect(openText(CertificatePfx, key)?.equals(pfx)).toBe(true);
    const words = ['pkcs12', '-passin', 'pass:', '-nokeys', '-clcerts'];
    const pem = execFileSync('openssl', words, { input: pfx });
    expect(new X509Certificate(pem).fingerprint.replaceAll(':', '')).toBe(thumbprint);
  });

  test('the checker accepts a database that a plain loop has rotated, and refuses every secret of one that was not rotated', async () => {
    const secrets = truth.values.filter(({ kind }) => kind === 'secret').length;
    const unrotated = await check(next);
    expect(unrotated.filter((line) => line.endsWith('still under the old key')).length).toBe(secrets);
    expect(unrotated.length).toBe(secrets);
    await rewrite(world.exec, dialect, truth, rotation(key, next, truth));
    expect(await check(next)).toEqual([]);
  });

  describe('after a rotation', () => {
    const q = dialect.quote;
    let text: string;
    const set = async (table: string, id: string, column: string, value: unknown) =>
      world.exec(
        `update ${q(table)} set ${q(column)} = ${dialect.parameter(1)} where ${q('Id')} = ${dialect.parameter(2)}`,
        [value, id],
      );
    const get = async (table: string, id: string, column: string) => {
      const sql = `select ${q(column)} as cell from ${q(table)} where ${q('Id')} = ${dialect.parameter(1)}`;
      return (await world.exec(sql, [id]))[0]?.cell;
    };
    const idOf = (trap: string) =>
      truth.values.find((value) => value.trap === trap && value.table === 'ExtensionConfiguration')?.id ?? '';
    /** Changes a cell, checks the database, and restores the cell. */
    const sabotaged = async (table: string, id: string, column: string, change: (cell: never) => unknown) => {
      const cell = await get(table, id, column);
      await set(table, id, column, change(cell as never));
      const problems = await check(next);
      await set(table, id, column, cell);
      return problems;
    };

    beforeEach(async () => {
      text = String(await get('ExtensionConfiguration', 'jira-integration', 'JSON'));
    });

    const jira = 'ExtensionConfiguration jira-integration JSON /Jira/Password';

    test('a secret with one changed byte is named', async () => {
      const sealed: string = JSON.parse(text).Jira.Password;
      const plain = openText(sealed, next)!;
      plain[0]! ^= 1;
      const problems = await sabotaged('ExtensionConfiguration', 'jira-integration', 'JSON', (cell: string) =>
        cell.replace(sealed, sealText(plain, next)),
      );
      expect(problems).toEqual([`${jira}: opens to another plaintext`]);
    });

    test('a leaf that is still encrypted with the old key is named', async () => {
      const sealed: string = JSON.parse(text).Jira.Password;
      const old = sealText(openText(sealed, next)!, key);
      const problems = await sabotaged('ExtensionConfiguration', 'jira-integration', 'JSON', (cell: string) =>
        cell.replace(sealed, old),
      );
      expect(problems).toEqual([`${jira}: still under the old key`]);
    });

    test('an IV that was used twice is named', async () => {
      const { Password, ReleaseNoteOptions } = JSON.parse(text).Jira;
      const plain = openText(ReleaseNoteOptions.Password, next)!;
      const problems = await sabotaged('ExtensionConfiguration', 'jira-integration', 'JSON', (cell: string) =>
        cell.replace(ReleaseNoteOptions.Password, sealText(plain, next, halvesOf(Password)?.iv)),
      );
      expect(problems).toEqual([
        expect.stringMatching(/ReleaseNoteOptions\/Password: has the IV of another value$/),
      ]);
    });

    test('swapped secrets are named', async () => {
      const { Password, ReleaseNoteOptions } = JSON.parse(text).Jira;
      const problems = await sabotaged('ExtensionConfiguration', 'jira-integration', 'JSON', (cell: string) =>
        cell
          .replace(Password, '?')
          .replace(ReleaseNoteOptions.Password, Password)
          .replace('?', ReleaseNoteOptions.Password),
      );
      expect(problems.length).toBe(2);
    });

    test.each([
      ['a number', 'odd numbers', '1E+05', '100000'],
      ['a big integer', 'an integer beyond 2^53', '9007199254740993', '9007199254740992'],
      ['an escape', 'odd escapes', 'caf\\u00e9', 'café'],
      ['an escape in another case', 'odd escapes', '\\u00E9', '\\u00e9'],
      ['an escape in JSON in a string', 'JSON in a string', 'say \\\\\\"', 'say \\\\\\u0022'],
    ])('%s re-spelled is named', async (_what, trap, was, is) => {
      const problems = await sabotaged('ExtensionConfiguration', idOf(trap), 'JSON', (cell: string) => {
        expect(cell).toContain(was);
        return cell.replace(was, is);
      });
      expect(problems).toEqual([
        expect.stringMatching(
          new RegExp(`^ExtensionConfiguration ${idOf(trap)} JSON .*text around the values differs`),
        ),
      ]);
      expect(problems[0]).toContain(`(${trap})`);
    });

    test('changed white space is named', async () => {
      const id = idOf('odd white space');
      const problems = await sabotaged(
        'ExtensionConfiguration',
        id,
        'JSON',
        (cell: string) => `${cell.trimEnd()}  \n\n `,
      );
      expect(problems).toEqual([expect.stringContaining('(odd white space): the text around')]);
    });

    test('a changed hash is named', async () => {
      const problems = await sabotaged('User', 'Users-3', 'JSON', (cell: string) =>
        cell.replace('3E8$', '3E9$'),
      );
      expect(problems).toEqual(['User Users-3 JSON /PasswordHashed: a hashed value was changed']);
    });

    test('a look-alike that was encrypted again is named', async () => {
      const trap = 'a shape that does not open';
      const problems = await sabotaged('ExtensionConfiguration', idOf(trap), 'JSON', (cell: string) =>
        cell.replace(JSON.parse(cell).List[1], sealText(random.bytes(20), next)),
      );
      expect(problems).toEqual([
        expect.stringContaining(`/List/1 (${trap}): a look-alike value was changed`),
      ]);
    });

    test('a truncated stream and a truncated gzip are named', async () => {
      const stream = await sabotaged('Blob', 'Blobs-5', 'Data', (cell: Buffer) => cell.subarray(0, -16));
      expect(stream).toEqual([expect.stringMatching(/^Blob Blobs-5 Data: (does not open|opens to another)/)]);
      const gzip = await sabotaged('TenantVariable', 'TenantVariables-1-1', 'JSONBlob', (cell: Buffer) =>
        cell.subarray(0, -9),
      );
      expect(gzip).toEqual(['TenantVariable TenantVariables-1-1 JSONBlob: does not inflate to text']);
    });

    test('changed bytes that are not ciphertext are named', async () => {
      const problems = await sabotaged('Proxy', 'Proxies-1', 'Name', () => 'another name');
      expect(problems).toEqual(['Proxy Proxies-1 Name: was changed']);
      const cell = await get('Blob', 'Blobs-1', 'Preview');
      await set('Blob', 'Blobs-1', 'Preview', Buffer.alloc(32));
      expect(await check(next)).toEqual([
        'Blob Blobs-1 Preview (a binary column without ciphertext): a plain value was changed',
      ]);
      await set('Blob', 'Blobs-1', 'Preview', cell);
    });

    test('an emptied document and one that is no longer NULL are named', async () => {
      const emptied = await sabotaged('ExtensionConfiguration', 'jira-integration', 'JSON', () => null);
      expect(emptied.length).toBeGreaterThan(0);
      const id = truth.values.find(({ trap, plain }) => trap === 'no document at all' && plain === null)?.id;
      const filled = await sabotaged('TenantVariable', id ?? '', 'JSON', () => '');
      expect(filled).toEqual([expect.stringContaining('(no document at all): a plain value was changed')]);
    });

    test('a missing row is named, in a table without row ids too, and so is an unnecessarily updated row', async () => {
      const name = await get('Worker', 'Workers-2', 'Name');
      await set('Worker', 'Workers-2', 'Name', name);
      expect(await check(next)).toEqual(['Worker Workers-2 DataVersion: moved, but the row holds no secret']);
      await world.exec(`delete from ${q('Proxy')} where ${q('Id')} = 'Proxies-2'`);
      await world.exec(`delete from ${q('ServerLog')} where ${q('MessageText')} = 'Task 1 | done'`);
      const problems = await check(next);
      expect(problems).toContain('Proxy: 3 rows before, 2 now');
      expect(problems).toContain('Proxy Proxies-2: the row is gone');
      expect(problems.filter((line) => line.startsWith('ServerLog')).length).toBeGreaterThan(1);
    });
  });
});

test.each([
  [16, 32, 'base64', 'Certificate'],
  [16, 16, 'bytes', 'Certificate'],
  [32, 16, 'base64', 'Configuration'],
] as const)(
  'from a key of %i bytes to one of %i, with the certificate as %s in %s',
  async (from, to, plaintext, table) => {
    const world = await createSqlite();
    const random = new Random(`from ${from} to ${to}`);
    const [key, next] = [random.bytes(from), random.bytes(to)];
    const certificate = { table, plaintext };
    const truth = await makeOctopus(world.exec, sqlite, { key, secrets: 600, certificate, nextKeys: [next] });
    const seenBefore = await seeOctopus(world.exec, sqlite, truth.tables);
    await rewrite(world.exec, sqlite, truth, rotation(key, next, truth));
    expect(await checkOctopus(world.exec, sqlite, truth, next, { seenBefore })).toEqual([]);
    const { CertificatePfx } = JSON.parse(
      String(
        (await seeOctopus(world.exec, sqlite, truth.tables))
          .get(table)
          ?.get('certificate-global')
          ?.get('JSON'),
      ),
    );
    const opened = openText(CertificatePfx, next)!;
    const pfx = plaintext === 'bytes' ? opened : Buffer.from(opened.toString('latin1'), 'base64');
    expect(pfx.equals(truth.certificate.pfx)).toBe(true);
    await world.close();
  },
);

test('the same seed creates the same rows, and traps can be left out', async () => {
  const made = async (seed: number, without: string[]) => {
    const world = await createSqlite();
    const truth = await makeOctopus(world.exec, sqlite, {
      key: Buffer.alloc(32, 7),
      secrets: 600,
      seed,
      without,
    });
    const seen = await seeOctopus(world.exec, sqlite, truth.tables);
    await world.close();
    return {
      truth,
      sets: JSON.stringify([...(seen.get('VariableSet') ?? [])].map(([id, row]) => [id, [...row]])),
    };
  };
  const one = await made(5, []);
  expect((await made(5, [])).sets).toBe(one.sets);
  const other = await made(6, ['sealed twice']);
  expect(other.sets).not.toBe(one.sets);
  expect(one.truth.values.some(({ trap }) => trap === 'sealed twice')).toBe(true);
  expect(other.truth.values.some(({ trap }) => trap === 'sealed twice')).toBe(false);
  await expect(made(1, ['no such trap'])).rejects.toThrow("there is no trap 'no such trap'");
});
