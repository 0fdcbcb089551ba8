import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { KeyturnError } from '../../src/error.ts';
import { Key } from '../../src/keys/key.ts';
import {
  assertCreatable,
  assertKept,
  folderWarnings,
  readKeyFile,
  writeKeyFile,
} from '../../src/keys/key-file.ts';
import type { KeyShape } from '../../src/keys/key-shape.ts';
import { generateKey } from '../../src/keys/key-text.ts';
import { readPipes } from '../../src/plain-file.ts';
import { fernet, hex, n8n, octopus } from './shapes.ts';

const secret = 'aVerySecretKeyThatMayNotShow';
const fixture = new URL('../fixtures/n8n/legacy-sqlite/', import.meta.url);
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-key-'));
  path = join(folder, 'new.masterkey');
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function refusal(work: () => unknown): KeyturnError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeyturnError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

function stored(content: string | Uint8Array, mode = 0o600): string {
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}

describe('reading a key file', () => {
  test.each([
    ['a plain key', secret],
    ['a final newline', `${secret}\n`],
    ['Windows line ends', `${secret}\r\n`],
    ['white space around', ` \t${secret} \n\n`],
    ['a byte order mark', `\uFEFF${secret}\n`],
    ['double quotes', `"${secret}"\n`],
    ['single quotes', `'${secret}'\n`],
  ])('n8n strips %s', (_what, content) => {
    expect(readKeyFile(stored(content), n8n).key.text).toBe(secret);
  });

  test.each([
    ['only one pair of quotes', `""${secret}""`, `"${secret}"`],
    ['no unpaired quote', `"${secret}`, `"${secret}`],
    ['no quotes that differ', `"${secret}'`, `"${secret}'`],
    ['no white space inside quotes', `" ${secret} "`, ` ${secret} `],
    ['not a lone quote', '"', '"'],
  ])('n8n strips %s', (_what, content, expected) => {
    expect(readKeyFile(stored(content), n8n).key.text).toBe(expected);
  });

  test('a system that strips nothing gets the newline too', () => {
    expect(readKeyFile(stored(`${secret}\n`), { ...n8n, trim: 'none' }).key.text).toBe(`${secret}\n`);
    expect(readKeyFile(stored(`"${secret}"\n`), { ...n8n, trim: 'space' }).key.text).toBe(`"${secret}"`);
  });

  test('the key of the fixture has its id', () => {
    const read = readKeyFile(fileURLToPath(new URL('encryption.key', fixture)), n8n);
    expect(read.key.id).toBe('5c49fd02b77ed2c2');
  });

  test('a missing file is refused', () => {
    expect(refusal(() => readKeyFile(path, n8n)).code).toBe('key-file-missing');
    stored(secret);
    expect(refusal(() => readKeyFile(join(path, 'key'), n8n)).code).toBe('key-file-missing');
  });

  test('a folder is refused', () => {
    mkdirSync(path);
    expect(refusal(() => readKeyFile(path, n8n)).code).toBe('key-file-unreadable');
  });

  test.each(['', '\n', ' \t\r\n', '""', '"  "\n', '\uFEFF'])('an empty file is refused: %j', (content) => {
    expect(refusal(() => readKeyFile(stored(content), n8n)).code).toBe('key-file-empty');
  });

  test.each<[string, KeyShape, string | Uint8Array]>([
    ['bytes that are not UTF-8', n8n, Uint8Array.from([0x41, 0xff, 0xfe])],
    ['a file too large for a key', n8n, 'x'.repeat(70_000)],
    ['base64 without its padding', octopus, 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['base64 with bits to spare', octopus, 'AAAAAAAAAAAAAAAAAAAAAB=='],
    ['base64 of the URL kind', octopus, '-_8AAAAAAAAAAAAAAAAAAA=='],
    ['base64 of a wrong length', octopus, Buffer.alloc(15).toString('base64')],
    ['white space inside base64', octopus, 'AAAAAAAAAAA AAAAAAAAAAA=='],
    ['base64url with half its padding', { ...fernet, bytes: [31] }, `-_${'A'.repeat(40)}=`],
    ['base64url with bits to spare', fernet, `-_${'A'.repeat(40)}B=`],
    ['base64 with bits to spare where base64url is expected', fernet, `+/${'A'.repeat(40)}B=`],
    ['base64url of a wrong length', fernet, 'AAAAAAAAAAAAAAAAAAAAAA=='],
    ['hex of an odd length', hex, '0'.repeat(63)],
    ['hex with another letter', hex, `${'0'.repeat(63)}g`],
    ['hex of a wrong length', hex, '00'.repeat(16)],
  ])('%s is refused, and not quoted', (_what, shape, content) => {
    const error = refusal(() => readKeyFile(stored(content), shape));
    expect(error.code).toBe('key-shape');
    const shown = inspect(error, { depth: Infinity }) + error.hint;
    expect(shown).not.toContain(
      Buffer.from(content as string)
        .toString('utf8')
        .slice(0, 12),
    );
  });

  test("n8n's config file is refused with a hint, and without its key in the message", () => {
    const error = refusal(() => readKeyFile(fileURLToPath(new URL('config', fixture)), n8n));
    expect(error.code).toBe('key-shape');
    expect(error.hint).toContain('the value of encryptionKey');
    expect(inspect(error, { depth: Infinity })).not.toContain('Zk3yLegacy');
  });

  test('a text key may begin with a brace', () => {
    expect(readKeyFile(stored('{not json'), n8n).key.text).toBe('{not json');
    expect(readKeyFile(stored('{"a":1}'), n8n).key.text).toBe('{"a":1}');
  });

  test.each([0o644, 0o640, 0o604, 0o666])('mode %o causes a warning with file and mode', (mode) => {
    const { key, warnings } = readKeyFile(stored(secret, mode), n8n);
    expect(key.text).toBe(secret);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${path} is accessible to other users (mode 0${mode.toString(8)})`);
  });

  test.each([0o600, 0o400])('mode %o causes no warning', (mode) => {
    expect(readKeyFile(stored(secret, mode), n8n).warnings).toEqual([]);
  });

  test('more than one line causes a warning without the lines', () => {
    const { warnings } = readKeyFile(stored(`${secret}\nsecond`), n8n);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toContain(secret);
  });
});

describe('writing a key file', () => {
  const key = Key.fromText(secret);

  test('writes only the text form, readable only by its owner', () => {
    writeKeyFile(path, key);
    expect(readFileSync(path, 'utf8')).toBe(secret);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readKeyFile(path, n8n)).toMatchObject({ warnings: [] });
  });

  test('writes a hex key as hex', () => {
    const generated = generateKey(hex);
    writeKeyFile(path, generated);
    expect(readKeyFile(path, hex).key.equals(generated)).toBe(true);
  });

  test.each(['', secret, 'other'])('never overwrites a file, not even one that contains %j', (content) => {
    stored(content);
    expect(refusal(() => writeKeyFile(path, key)).code).toBe('key-file-differs');
    expect(readFileSync(path, 'utf8')).toBe(content);
  });

  test('does not write through a dangling link', () => {
    symlinkSync(join(folder, 'elsewhere'), path);
    expect(refusal(() => writeKeyFile(path, key)).code).toBe('key-file-differs');
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
  });

  test('can be checked before anything is written', () => {
    expect(() => assertCreatable(join(folder, 'new.key'))).not.toThrow();
    expect(existsSync(join(folder, 'new.key'))).toBe(false);
    writeFileSync(join(folder, 'a-file'), '');
    for (const name of ['nowhere/new.key', 'a-file/new.key'])
      expect(() => assertCreatable(join(folder, name))).toThrow('the folder does not exist');
  });

  test('reports a folder that does not exist', () => {
    const error = refusal(() => writeKeyFile(join(folder, 'no', 'key'), key));
    expect(error.code).toBe('key-file-unwritten');
    expect(error.message).toContain('the folder does not exist');
  });
});

/** A disk that fails: node:fs with one function replaced, under a fresh copy of the module. */
async function withFaultyDisk(fault: Partial<typeof fs>): Promise<typeof writeKeyFile> {
  jest.resetModules();
  jest.unstable_mockModule('node:fs', () => ({ ...fs, ...fault }));
  return (await import('../../src/keys/key-file.ts')).writeKeyFile;
}

describe('a disk that fails', () => {
  const key = Key.fromText(secret);
  const errno = (code: string) => Object.assign(new Error(`${code}: simulated`), { code });

  afterEach(() => {
    jest.unstable_unmockModule('node:fs');
  });

  const halfWritten = (fd: unknown) => {
    fs.writeSync(fd as number, secret.slice(0, 5));
    throw errno('ENOSPC');
  };
  test.each<[string, Partial<typeof fs>, string]>([
    ['is full half-way', { writeFileSync: halfWritten }, 'the disk is full'],
    [
      'does not take the file',
      {
        fsyncSync: () => {
          throw errno('EIO');
        },
      },
      'EIO',
    ],
    [
      'reads back something else',
      { readFileSync: (() => Buffer.from('other')) as unknown as typeof readFileSync },
      'does not read back as written',
    ],
  ])('and %s leaves no partial key', async (_how, fault, reason) => {
    const write = await withFaultyDisk(fault);
    let caught: unknown;
    try {
      write(path, key);
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ code: 'key-file-unwritten', message: expect.stringContaining(reason) });
    expect(inspect(caught, { depth: Infinity })).not.toContain(secret);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('syncs the file, then the folder that holds it', async () => {
    const synced: string[] = [];
    const write = await withFaultyDisk({
      fsyncSync: (fd) => {
        synced.push(fs.fstatSync(fd).isDirectory() ? 'folder' : 'file');
        fs.fsyncSync(fd);
      },
    });
    write(path, key);
    expect(synced).toEqual(['file', 'folder']);
  });

  test('and cannot remove the incomplete file is reported with its path', async () => {
    const write = await withFaultyDisk({
      writeFileSync: halfWritten,
      unlinkSync: () => {
        throw errno('EIO');
      },
    });
    expect(() => write(path, key)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`remove ${path}`) }),
    );
  });
});

describe('a path that is not a regular file', () => {
  const fifo = (): string => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    return pipe;
  };

  test('is refused at once for a new key', () => {
    for (const [place, why] of [
      [fifo(), /it is a pipe$/],
      ['/dev/zero', /it is a device, not a file$/],
      ['/dev/null', /it is a device, not a file$/],
      ['/proc/version', /it is not a file on a disk$/],
      [folder, /it is a folder$/],
    ] as const) {
      const { code, message } = refusal(() => readKeyFile(place, n8n, { pipes: false }));
      expect({ place, code }).toEqual({ place, code: 'key-file-unreadable' });
      expect(message).toMatch(why);
    }
    for (const place of ['/dev/fd/63', '/proc/self/fd/63', '/proc/new.key'])
      expect(refusal(() => assertKept(place))).toMatchObject({ code: 'key-file-unwritten', exitCode: 2 });
    expect(() => assertKept(path)).not.toThrow();
  });

  test('can be a pipe for the current key, and is read to its end', async () => {
    const pipe = fifo();
    const writer = spawn('sh', ['-c', `printf '%s' '${secret}' > '${pipe}'`]);
    const ended = once(writer, 'exit');
    await readPipes([pipe]);
    expect(readKeyFile(pipe, n8n).key.text).toBe(secret);
    expect(readKeyFile(pipe, n8n).key.text).toBe(secret);
    await ended;
  });

  test('that is a pipe without a writer does not block forever', async () => {
    const pipe = fifo();
    await readPipes([pipe]);
    expect(refusal(() => readKeyFile(pipe, n8n))).toMatchObject({
      code: 'key-file-unreadable',
      message: expect.stringContaining('nothing more was written to the pipe for 5 seconds'),
    });
  });
});

test('an existing key file is synced with its folder', () => {
  writeFileSync(path, secret);
  const built = new URL('../../dist/keys/key-file.js', import.meta.url).href;
  const program = `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const sync = fs.fsyncSync;
    fs.fsyncSync = (fd) => { console.log(fs.readlinkSync('/proc/self/fd/' + fd)); sync(fd); };
    syncBuiltinESMExports();
    const { syncKeyFile } = await import(${JSON.stringify(built)});
    syncKeyFile(${JSON.stringify(path)});`;
  const synced = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(synced.trim().split('\n')).toEqual([path, folder]);
});

test('a folder that others can write to causes a warning', () => {
  chmodSync(folder, 0o777);
  expect(folderWarnings(path)).toEqual([expect.stringContaining(folder)]);
  chmodSync(folder, 0o755);
  expect(folderWarnings(path)).toEqual([]);
});
