import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { drawUntil, Random } from '../random.ts';

/** Trees of encrypted files, created and checked with node:crypto only: this shares no code with src. */

const random = new Random('files');

/** 16 bytes of IV, then AES-CBC ciphertext. */
export function sealFile(plain: Buffer, key: Buffer): Buffer {
  const iv = random.bytes(16);
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
}

/** A file that the other key does not decrypt, not even by chance (which happens for 1 file in 255). */
export function sealFileOnlyFor(plain: Buffer, key: Buffer, other: Buffer): Buffer {
  return drawUntil(
    () => sealFile(plain, key),
    (sealed) => openFile(sealed, other) === undefined,
  );
}

/** Undefined if the file does not decrypt. */
export function openFile(stored: Buffer, key: Buffer): Buffer | undefined {
  try {
    const opener = createDecipheriv(`aes-${key.length * 8}-cbc`, key, stored.subarray(0, 16));
    return Buffer.concat([opener.update(stored.subarray(16)), opener.final()]);
  } catch {
    return undefined;
  }
}

/** A value in a database: base64(ciphertext), a vertical bar, base64(IV). */
export function sealText(plain: string, key: Buffer): string {
  const sealed = sealFile(Buffer.from(plain), key);
  return `${sealed.subarray(16).toString('base64')}|${sealed.subarray(0, 16).toString('base64')}`;
}

const odd = [
  'a file with spaces.bin',
  'ümläut – dash.txt',
  '-rf',
  'two\nlines',
  'quote\'s "and" $(more)',
  '日本語/文書.pdf',
  'trailing space ',
  '.hidden',
];

/** Names in nested folders. `a.b` and `a/b` are sorted differently as texts and as folders. */
function names(count: number): string[] {
  const plain = Array.from({ length: count - odd.length - 4 }, (_, i) => {
    const folder = ['', 'a/', 'a/b/', 'spaces project/Environments-1/', 'z/y/x/w/'][i % 5];
    return `${folder}file-${i}.bin`;
  });
  return [...plain, ...odd, 'a.b', 'a-', 'a/b-c', 'a/b/c'];
}

export interface Tree {
  readonly folder: string;
  /** Plaintexts by path. An empty file has an empty plaintext. */
  readonly plain: ReadonlyMap<string, Buffer>;
  /** Contents before the rotation, by path. */
  readonly stored: ReadonlyMap<string, Buffer>;
}

export const mtime = 1_600_000_000;

/** @param next the key of a later rotation: it decrypts none of the files. */
export function makeTree(folder: string, key: Buffer, next: Buffer, count = 200): Tree {
  const plain = new Map<string, Buffer>();
  const stored = new Map<string, Buffer>();
  names(count).forEach((path, i) => {
    const size = [0, 1, 15, 16, 17, 1_000, 70_000][i % 7] ?? 0;
    const content = random.bytes(i === 20 ? 3 * 1024 * 1024 : i === 27 ? 1024 * 1024 - 16 : size);
    plain.set(path, content);
    // A file that the application leaves empty is not ciphertext: an encrypted empty text is one block
    stored.set(path, i % 14 === 0 ? Buffer.alloc(0) : sealFileOnlyFor(content, key, next));
    write(join(folder, path), stored.get(path) ?? Buffer.alloc(0), i % 3 === 0 ? 0o640 : 0o600);
  });
  return { folder, plain, stored };
}

function write(place: string, bytes: Buffer, mode: number): void {
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, bytes, { mode });
  utimesSync(place, mtime, mtime);
}

/** All regular files, including keyturn's own. */
export function filesIn(folder: string, under = ''): string[] {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = under === '' ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) return filesIn(folder, path);
    return entry.isFile() ? [path] : [];
  });
}

export function hashOf(folder: string): string {
  const hash = createHash('sha256');
  for (const path of filesIn(folder).sort()) hash.update(path).update(readFileSync(join(folder, path)));
  return hash.digest('hex');
}

/** What is wrong after a rotation to `key`. The files in `but` must be unchanged. */
export function problemsOf(
  { folder, plain, stored }: Tree,
  key: Buffer,
  but: readonly string[] = [],
): string[] {
  const problems: string[] = [];
  const backup = `${folder}_MasterKeyRotationBackup`;
  for (const [path, content] of plain) {
    const before = stored.get(path) ?? Buffer.alloc(0);
    const now = readFileSync(join(folder, path));
    const same = before.length === 0 || but.includes(path);
    if (same ? !now.equals(before) : openFile(now, key)?.equals(content) !== true)
      problems.push(`${path} is not what it should be`);
    if (!same && now.equals(before)) problems.push(`${path} was not sealed anew`);
    if (!readFileSync(join(backup, path)).equals(before)) problems.push(`${path} is not kept`);
    const { mtimeMs } = lstatSync(join(folder, path));
    if (mtimeMs !== mtime * 1000) problems.push(`${path} has another time`);
  }
  const known = [...plain.keys()].sort();
  const there = filesIn(folder).sort();
  const kept = filesIn(backup)
    .filter((path) => path !== '.keyturn-run')
    .sort();
  if (JSON.stringify(there) !== JSON.stringify(known))
    problems.push(`other files: ${there.filter((p) => !plain.has(p))}`);
  if (JSON.stringify(kept) !== JSON.stringify(known))
    problems.push(`other originals: ${kept.filter((p) => !plain.has(p))}`);
  return problems;
}
