import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Listings } from '../../src/files/listings.ts';
import { comparePaths, type PathRange, Tree } from '../../src/files/tree.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-tree-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
}

async function filesOf(tree: Tree, range?: PathRange): Promise<string[]> {
  const found: string[] = [];
  for await (const path of tree.files(range)) found.push(path);
  return found;
}

test('a range of paths contains the files between its bounds, whatever the names and the bounds', async () => {
  const paths = ['a', 'a.b', 'b/a', 'b/a b', 'b/c/d', 'b/c.d', 'b.b', 'é', '\u{1f600}', '\uff5e', 'z/y/x'];
  write(...paths);
  const sorted = [...paths].sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
  const tree = new Tree(folder, {}, new Listings('this moment'));
  expect(await filesOf(tree)).toEqual(sorted);
  const bounds = [null, ...paths, 'b', 'b/', 'b/b', 'b/c', 'b/c/', '!', '~'];
  for (const after of bounds)
    for (const upTo of bounds) {
      const inside = (path: string): boolean =>
        (after === null || comparePaths(path, after) > 0) && (upTo === null || comparePaths(path, upTo) <= 0);
      expect({ after, upTo, files: await filesOf(tree, { after, upTo }) }).toEqual({
        after,
        upTo,
        files: sorted.filter(inside),
      });
    }
});

/** The parts in their order: no byte of a name is smaller than what stands between them. */
function bytes(path: string): Buffer {
  return Buffer.from(path.replaceAll('/', '\0'));
}

describe('a large folder that was read before', () => {
  const many = Array.from({ length: 1200 }, (_, i) => `many/${i}`);

  test.each([
    ['this moment', 1201],
    ['some moment', 1200],
  ] as const)('is listed as of %s: %i files, after one was added', async (moment, expected) => {
    write(...many);
    const tree = new Tree(folder, {}, new Listings(moment));
    expect(await filesOf(tree)).toHaveLength(1200);
    write('many/since');
    expect(await filesOf(tree)).toHaveLength(expected);
    expect(await filesOf(new Tree(folder, {}))).toHaveLength(1201);
  });

  test("is read again for keyturn's own files, which another worker may have left", async () => {
    write(...many);
    const tree = new Tree(folder, {}, new Listings('some moment'));
    expect(await filesOf(tree)).toHaveLength(1200);
    const name = '.keyturn-20260101-000000-abcdef-7-0123456789abcdef';
    write(`many/${name}`);
    expect(await tree.ownNames('many', '20260101-000000-abcdef-7')).toEqual([name]);
  });

  test('and was deleted has no files', async () => {
    write(...many, 'other');
    const tree = new Tree(folder, {}, new Listings('some moment'));
    expect(await filesOf(tree)).toHaveLength(1201);
    rmSync(join(folder, 'many'), { recursive: true });
    expect(await filesOf(tree)).toEqual(['other']);
  });
});

describe('a folder of encrypted files is refused', () => {
  const missing = { code: 'attachments-missing', exitCode: 2, hint: expect.any(String) };

  test('if it does not exist', async () => {
    const place = join(folder, 'nowhere');
    await expect(filesOf(new Tree(place, {}))).rejects.toMatchObject({
      ...missing,
      message: `${place} cannot be read`,
      facts: { path: place },
    });
  });

  test('if it is a file', async () => {
    write('a');
    await expect(new Tree(join(folder, 'a'), {}).count()).rejects.toMatchObject(missing);
  });

  test('if the name of a file in it is not UTF-8', async () => {
    const name = Buffer.concat([Buffer.from(join(folder, 'a')), Buffer.from([0xff])]);
    writeFileSync(name, '');
    await expect(filesOf(new Tree(folder, {}))).rejects.toMatchObject({
      ...missing,
      message: expect.stringContaining('whose name is not UTF-8'),
    });
  });
});
