import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KeyturnError } from '../../src/error.ts';
import { Key } from '../../src/keys/key.ts';
import type { KeyShape } from '../../src/keys/key-shape.ts';
import { currentKey, type NewKeySources, newKey } from '../../src/keys/master-key.ts';

const n8n: KeyShape = { form: 'text', trim: 'quotes', generate: { bytes: 24, as: 'base64' } };
const old = Key.fromText('theOldKeyOfTheInstance');
const wanted = Key.fromText('theNewKeyOfTheInstance');
const other = Key.fromText('anotherKeyAltogether');
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-master-'));
  path = join(folder, 'new.masterkey');
});
afterEach(() => rmSync(folder, { recursive: true }));

function stored(key: Key, at = path): string {
  writeFileSync(at, `${key.text}\n`, { mode: 0o600 });
  return at;
}

function plan(sources: Partial<NewKeySources>) {
  return newKey({ current: old, retired: [], ...sources }, { key: n8n });
}

/** The refusal of newKey, which shows none of the keys. */
function refusal(sources: Partial<NewKeySources>): KeyturnError {
  try {
    plan(sources);
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    for (const key of [old, wanted, other]) expect(inspect(error) + error.hint).not.toContain(key.text);
    return error;
  }
  throw new Error('nothing was refused');
}

describe('the current key', () => {
  const prompt = async () => 'fromPrompt';

  test.each([
    ['the file', { env: 'fromEnv', prompt }, true, old.text],
    ['the environment', { env: ' "fromEnv" ', prompt }, false, 'fromEnv'],
    ['the prompt, as the environment is empty', { env: '', prompt }, false, 'fromPrompt'],
    ['the prompt', { prompt }, false, 'fromPrompt'],
  ] as const)('comes from %s', async (_where, sources, withFile, text) => {
    const found = await currentKey({ ...sources, file: withFile ? stored(old) : undefined }, n8n);
    expect(found.key.text).toBe(text);
  });

  test('a missing file is an error, and no other source is tried', async () => {
    await expect(currentKey({ file: path, env: 'fromEnv', prompt }, n8n)).rejects.toMatchObject({
      code: 'key-file-missing',
    });
  });

  test('an empty answer to the prompt is refused', async () => {
    await expect(currentKey({ prompt: async () => ' ' }, n8n)).rejects.toMatchObject({ code: 'key-shape' });
  });

  test('without any source, the hint lists the options', async () => {
    await expect(currentKey({}, n8n)).rejects.toMatchObject({
      code: 'no-current-key',
      hint: expect.stringMatching(/--current-key-file.*KEYTURN_CURRENT_MASTER_KEY/),
    });
  });
});

describe('the new key', () => {
  const terminal = () => ({ folder, name: 'n8n' });

  test('is generated for a file that does not exist, and nothing is written yet', () => {
    const planned = plan({ file: path });
    expect(planned).toMatchObject({ path, mustWrite: true, warnings: [] });
    expect(planned.key.text).toMatch(/^[A-Za-z0-9+/]{32}$/);
    expect(existsSync(path)).toBe(false);
  });

  test('is read from an existing file, with warnings about the file', () => {
    stored(wanted);
    const planned = plan({ file: path });
    expect([planned.key.equals(wanted), planned.mustWrite]).toEqual([true, false]);
    writeFileSync(`${path}2`, wanted.text, { mode: 0o644 });
    expect(plan({ file: `${path}2` }).warnings).toHaveLength(1);
  });

  test('is --masterKey, and must be written', () => {
    const planned = plan({ file: path, masterKey: ` ${wanted.text}\n` });
    expect([planned.key.text, planned.mustWrite]).toEqual([wanted.text, true]);
  });

  test('can be both in the file and in --masterKey if they are equal', () => {
    expect(plan({ file: stored(wanted), masterKey: wanted.text }).mustWrite).toBe(false);
  });

  test('is refused if the file contains another key than --masterKey', () => {
    const error = refusal({ file: stored(other), masterKey: wanted.text });
    expect(error.code).toBe('key-file-differs');
    expect(error.message).toContain(other.id);
  });

  test('is refused if the existing file contains no key', () => {
    writeFileSync(path, '\n');
    expect(refusal({ file: path }).code).toBe('key-file-empty');
  });

  test('cannot be the current key, neither in a file nor as --masterKey', () => {
    expect(refusal({ file: stored(old) }).code).toBe('same-key');
    expect(refusal({ file: `${path}2`, masterKey: old.text }).code).toBe('same-key');
  });

  test('cannot be a key that an earlier run retired, neither in a file nor as --masterKey', () => {
    const retired = [other.id, wanted.id];
    expect(refusal({ file: stored(wanted), retired }).code).toBe('key-retired');
    expect(refusal({ file: `${path}2`, masterKey: wanted.text, retired }).code).toBe('key-retired');
  });

  describe('of an unfinished run', () => {
    test('is taken from its file', () => {
      expect(plan({ file: stored(wanted), unfinished: wanted.id }).key.equals(wanted)).toBe(true);
    });

    test('is never generated again', () => {
      const error = refusal({ file: path, unfinished: wanted.id });
      expect(error.code).toBe('other-keys');
      expect(error.message).toContain(wanted.id);
      expect(error.message).toContain(path);
    });

    test('cannot be another key, neither in a file nor as --masterKey', () => {
      for (const sources of [{ file: stored(other) }, { file: `${path}2`, masterKey: other.text }]) {
        const error = refusal({ ...sources, unfinished: wanted.id });
        expect(error.code).toBe('other-keys');
        expect(error.facts).toEqual({ keyId: wanted.id });
      }
    });

    test('is written to its file again if it is given as --masterKey', () => {
      expect(plan({ file: path, masterKey: wanted.text, unfinished: wanted.id }).mustWrite).toBe(true);
    });

    test('is found in the default file of the run if there is a terminal', () => {
      stored(wanted, join(folder, `n8n-${wanted.id}.masterkey`));
      expect(plan({ terminal: terminal(), unfinished: wanted.id }).key.equals(wanted)).toBe(true);
    });
  });

  test('is written to a file with the job and the key id in its name if there is a terminal', () => {
    const planned = plan({ terminal: terminal() });
    expect(planned.path).toBe(join(folder, `n8n-${planned.key.id}.masterkey`));
    expect(planned.mustWrite).toBe(true);
  });

  test('needs a named file without a terminal', () => {
    expect(refusal({})).toMatchObject({
      code: 'bad-option',
      message: expect.stringContaining('--new-key-file'),
    });
    expect(refusal({ masterKey: wanted.text }).code).toBe('bad-option');
  });

  test('is written to the named file even if there is a terminal', () => {
    expect(plan({ file: path, terminal: terminal() }).path).toBe(path);
  });
});
