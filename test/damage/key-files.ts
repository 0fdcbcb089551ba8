import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { keys } from './application.ts';
import { at, type Damage } from './damage.ts';
import type { World } from './world.ts';

const write = (world: World, name: string, text: string | Buffer): void =>
  writeFileSync(world.file(name), text, { mode: 0o600 });

/** Between two sessions of a run. */
export const keyFiles = at('halfway through the rotation', [
  {
    name: 'the new key file is deleted',
    done: async (world) => rmSync(world.file('new.key')),
    seen: [
      { words: 'resume', code: 2, says: [/new\.key/, /key [0-9a-f]{16}/] },
      { words: 'status', code: 0 },
      { words: 'rotate', code: 2, says: [/new\.key/] },
    ],
  },
  {
    name: 'one character of the new key is changed',
    done: async (world) =>
      write(world, 'new.key', `${keys.new.master[0] === 'A' ? 'B' : 'A'}${keys.new.master.slice(1)}`),
    seen: [{ words: 'resume', code: 2, says: [/new\.key/, /key [0-9a-f]{16}/] }],
  },
  {
    name: 'the new key file is empty',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', ''),
    seen: [{ words: 'resume', code: 2, says: [/new\.key.*empty/] }],
  },
  {
    name: 'the new key file is truncated',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', keys.new.master.slice(0, 20)),
    seen: [{ words: 'resume', code: 2, says: [/new\.key/] }],
  },
  {
    name: 'the new key file is that of another run',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', keys.third.master),
    seen: [{ words: 'resume', code: 2, says: [/new\.key/, /key [0-9a-f]{16}/] }],
  },
  {
    name: 'the current key file holds another key',
    faultsOnly: true,
    done: async (world) => write(world, 'old.key', keys.third.master),
    seen: [{ words: 'resume', code: 2, says: [/current key/, /--current-key-file/] }],
  },
  {
    name: 'the two key files are swapped',
    done: async (world) => {
      write(world, 'old.key', keys.new.master);
      write(world, 'new.key', keys.old.master);
    },
    seen: [{ words: 'resume', code: 2, says: [/--current-key-file/, /--new-key-file/] }],
  },
  {
    name: 'both key files hold the current key',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', keys.old.master),
    seen: [{ words: 'resume', code: 2, says: [/new\.key|current key/] }],
  },
  {
    name: 'an editor added a line end to the new key file: it is ignored',
    done: async (world) => write(world, 'new.key', `${keys.new.master}\r\n`),
    seen: [{ words: 'resume', code: 0 }],
  },
  {
    name: 'an editor added a byte order mark to the new key file',
    done: async (world) => write(world, 'new.key', `\ufeff${keys.new.master}`),
    seen: [{ words: 'resume', code: [0, 2], says: [/new\.key/] }],
  },
  {
    name: 'the new key file has two lines',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', `${keys.new.master}\n${keys.old.master}\n`),
    seen: [{ words: 'resume', code: 2, says: [/new\.key/] }],
  },
  {
    name: 'the new key file is not text',
    faultsOnly: true,
    done: async (world) => write(world, 'new.key', Buffer.from([0xff, 0xfe, 0x00, 0x41])),
    seen: [{ words: 'resume', code: 2, says: [/new\.key.*UTF-8/] }],
  },
  {
    name: 'the new key file is a folder',
    faultsOnly: true,
    done: async (world) => {
      rmSync(world.file('new.key'));
      mkdirSync(world.file('new.key'));
    },
    seen: [{ words: 'resume', code: 2, says: [/new\.key/] }],
  },
  {
    name: 'the new key file is a pipe that nobody writes to',
    done: async (world) => {
      rmSync(world.file('new.key'));
      execFileSync('mkfifo', [world.file('new.key')]);
    },
    seen: [{ words: 'resume', code: 2, says: [/new\.key/] }],
  },
  {
    name: 'the current key file is a pipe that nobody writes to',
    done: async (world) => {
      rmSync(world.file('old.key'));
      execFileSync('mkfifo', [world.file('old.key')]);
    },
    seen: [{ words: 'resume', code: 2, says: [/old\.key/] }],
  },
  {
    name: 'the new key file is a device',
    faultsOnly: true,
    done: async () => undefined,
    seen: [{ words: 'resume --new-key-file /dev/zero', code: 2, says: [/\/dev\/zero/] }],
  },
]);

/** Before a run and after it. */
export const keyFilesAround: readonly Damage[] = [
  {
    name: 'the new key file is a device',
    at: 'before the run',
    done: async () => undefined,
    seen: [{ words: 'rotate --new-key-file /dev/null', code: 2, says: [/\/dev\/null/] }],
  },
  {
    name: 'the new key file holds the current key',
    at: 'before the run',
    done: async (world) => write(world, 'new.key', readFileSync(world.file('old.key'))),
    seen: [{ words: 'rotate', code: 2, says: [/current key/] }],
  },
  {
    name: 'the current key file holds another key',
    faultsOnly: true,
    at: 'before the run',
    done: async (world) => write(world, 'old.key', keys.third.master),
    seen: [{ words: 'rotate', code: 2, says: [/does not decrypt/] }],
  },
  {
    name: 'the new key is one that an earlier run retired',
    faultsOnly: true,
    at: 'after the run',
    done: async (world) => {
      write(world, 'old.key', keys.new.master);
      write(world, 'new.key', keys.old.master);
    },
    seen: [{ words: 'rotate', code: 2, says: [/retired/] }],
  },
  {
    name: 'the database is verified with the old key',
    faultsOnly: true,
    at: 'after the run',
    done: async () => undefined,
    seen: [{ words: 'verify --current-key-file old.key', code: 2, says: [/rotated to key/] }],
  },
  {
    name: 'the new key file is overwritten',
    at: 'after the run',
    done: async (world) => write(world, 'new.key', keys.third.master),
    seen: [{ words: 'verify --current-key-file new.key', code: 2, says: [/rotated to key [0-9a-f]{16}/] }],
  },
];
