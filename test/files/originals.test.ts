import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Originals } from '../../src/files/originals.ts';
import { StoredFile, sha256Of } from '../../src/files/stored-file.ts';
import { Tree } from '../../src/files/tree.ts';

let folder: string;
let originals: Originals;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-originals-'));
  mkdirSync(join(folder, 'files'));
  originals = new Originals(new Tree(join(folder, 'files'), {}));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const inTheWay = { code: 'attachments-backup', exitCode: 2, hint: expect.any(String) };

/** Keeps the file `a` as its original. */
async function keep(content: string): Promise<boolean> {
  const place = join(folder, 'files', 'a');
  writeFileSync(place, content);
  const file = await StoredFile.open(place);
  if (file === null) throw new Error('the file is missing');
  try {
    return await originals.keep('a', file, (await sha256Of(place)) ?? '', 'copy');
  } finally {
    await file.close();
  }
}

describe('the folder of the originals', () => {
  test('belongs to one run: another run is refused, and the same run can claim it again', async () => {
    await originals.assertFree();
    await originals.claim('one');
    await originals.claim('one');
    expect(await originals.areOf('one')).toBe(true);
    expect(await originals.areOf('another')).toBe(false);
    await expect(originals.claim('another')).rejects.toMatchObject({
      ...inTheWay,
      message: expect.stringContaining('holds the originals of another run'),
    });
  });

  test('is refused if it holds files that no run kept, or if it is a file', async () => {
    mkdirSync(originals.folder);
    writeFileSync(join(originals.folder, 'a'), 'kept by somebody');
    await expect(originals.assertFree()).rejects.toMatchObject(inTheWay);
    rmSync(originals.folder, { recursive: true });
    writeFileSync(originals.folder, 'a file');
    await expect(originals.assertFree()).rejects.toMatchObject(inTheWay);
  });

  test('that cannot be made is refused', async () => {
    const nowhere = new Originals(new Tree(join(folder, 'nowhere', 'files'), {}));
    await expect(nowhere.assertWritable()).rejects.toMatchObject({
      ...inTheWay,
      message: expect.stringContaining('cannot be written'),
    });
  });

  test('keeps a second original of a path beside the first, and never overwrites one', async () => {
    await originals.claim('one');
    expect(await keep('the first')).toBe(true);
    expect(await keep('the first')).toBe(true);
    expect(await keep('a late one')).toBe(true);
    expect(readFileSync(join(originals.folder, 'a'), 'utf8')).toBe('the first');
    const beside = `a.${(await sha256Of(join(folder, 'files', 'a')))?.slice(0, 16)}`;
    writeFileSync(join(originals.folder, beside), 'damaged');
    await expect(keep('a late one')).rejects.toMatchObject({
      ...inTheWay,
      message: expect.stringContaining('already holds other originals of a file'),
    });
    expect(readFileSync(join(originals.folder, beside), 'utf8')).toBe('damaged');
  });
});
