import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, readFile } from 'node:fs/promises';
import type { Range } from '../../databases/database.ts';
import { type Tree, unlessMissing } from '../../files/tree.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { digestBytes, entryBytes } from '../digest.ts';
import type { PreparedTarget } from '../values/field-values.ts';
import { type VerifiedRow, verifyRows } from '../verify-rows.ts';
import { isDocuments, isReadable, rowOfFile } from './document-file.ts';
import { fileColumn, fileDigest, fileField, pathOf } from './file-target.ts';

/** Reads files one after the other with one ring, independently of what the rotation saw or decided. */
export async function* verifyFiles(
  tree: Tree,
  prepared: PreparedTarget,
  { after, upTo }: Range,
  ring: Keyring,
  key: Buffer,
): AsyncGenerator<VerifiedRow> {
  const range = { after: after && pathOf(after), upTo: upTo && pathOf(upTo) };
  for await (const path of tree.files(range)) {
    const verified = await verifyFile(tree.at(path), path, prepared, ring, key);
    if (verified !== null) yield verified;
  }
}

/** Null: the file was deleted meanwhile. */
async function verifyFile(
  place: string,
  path: string,
  prepared: PreparedTarget,
  ring: Keyring,
  key: Buffer,
): Promise<VerifiedRow | null> {
  if (isDocuments(prepared)) return verifyDocument(place, path, prepared, ring, key);
  const { field, cipher } = fileField(prepared);
  const size = (await lstat(place).catch(unlessMissing))?.size;
  if (size === undefined) return null;
  const shaped = cipher.mayBe(size);
  const tail = shaped ? await readTail(place, size, cipher.tailBytes) : Buffer.alloc(0);
  const opens = (by: Key): boolean => tail.length === cipher.tailBytes && cipher.opensTail(tail, by);
  const mine = opens(ring.primary);
  const sha256 = await (mine ? contentOf(place, prepared, ring.primary) : storedOf(place)).catch(
    unlessMissing,
  );
  if (sha256 === undefined) return null;
  const closed = size > 0 && (shaped ? !mine && field.closed === 'exception' : field.foreign === 'exception');
  const digest = fileDigest(key, path, mine ? 'plaintext' : 'stored', sha256);
  return verifiedFile(path, digest, {
    opened: mine,
    closed,
    dependsOn: (old) => old.each.some(({ primary }) => opens(primary) && !ring.holds(primary)),
  });
}

/** A file that counts as one value. */
function verifiedFile(
  path: string,
  entry: Buffer,
  { opened, closed, dependsOn }: { opened: boolean; closed: boolean; dependsOn: (old: Keyring) => boolean },
): VerifiedRow {
  const digest = entry.toString('latin1');
  return {
    row: { id: [path], values: [] },
    values: 1,
    opened,
    closed: closed ? [{ field: fileColumn, path: '' }] : [],
    isResolved: () => opened,
    strays: () => [],
    mislabelled: [],
    dependsOn,
    id: digest.slice(0, digestBytes),
    digest: digest.slice(digestBytes, entryBytes),
  };
}

async function verifyDocument(
  place: string,
  path: string,
  prepared: PreparedTarget,
  ring: Keyring,
  key: Buffer,
): Promise<VerifiedRow | null> {
  const stats = await lstat(place).catch(unlessMissing);
  if (stats === undefined) return null;
  const bytes = isReadable(stats.size) ? await readFile(place).catch(unlessMissing) : null;
  if (bytes === undefined) return null;
  const row = bytes && rowOfFile(path, bytes);
  if (row !== null) return verifyRows(prepared, [row], ring, key)[0] ?? null;
  const stored = await storedOf(place).catch(unlessMissing);
  if (stored === undefined) return null;
  const closed = prepared.fields[0]?.field.closed === 'exception';
  const none = { opened: false, closed, dependsOn: () => false };
  return verifiedFile(path, fileDigest(key, path, 'stored', stored), none);
}

async function readTail(place: string, size: number, length: number): Promise<Buffer> {
  const handle = await open(place).catch(unlessMissing);
  if (handle === undefined) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function storedOf(place: string): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(place)) hash.update(bytes as Buffer);
  return hash.digest();
}

async function contentOf(place: string, prepared: PreparedTarget, key: Key): Promise<Buffer> {
  const { cipher } = fileField(prepared);
  const hash = createHash('sha256');
  const head = { start: 0, end: cipher.headBytes - 1 };
  const first: Buffer[] = [];
  for await (const bytes of createReadStream(place, head)) first.push(bytes as Buffer);
  const opener = cipher.opener(Buffer.concat(first), key);
  for await (const bytes of createReadStream(place, { start: cipher.headBytes }))
    hash.update(opener.update(bytes as Buffer));
  return hash.update(opener.final()).digest();
}
