import { at, chunk, type Damage } from './damage.ts';
import type { World } from './world.ts';

const verify = 'verify --current-key-file new.key';

/** Both chunks are of one target and have as many rows. */
export const swapDigests = async (world: World) => {
  const digests = await world.exec(
    'select chunk, digests from keyturn_chunk where chunk in (1, 5) order by chunk',
  );
  const [first, second] = digests.map((each) => world.bytes(each.digests as Buffer));
  await world.chunk(1, `digests = ${second}`);
  await world.chunk(5, `digests = ${first}`);
};

export const forged =
  "state = 'verified', verified_round = 1, v_rows = row_count, v_values = value_count, v_proven = row_count, v_new = 0, v_changed = 0, v_late = 0, v_gone = 0, v_exceptions = 0";

/** When everything is rotated and nothing is verified. */
export const checkpointBetween: readonly Damage[] = at('between rotation and verification', [
  {
    name: 'the digests of two chunks are swapped',
    done: swapDigests,
    seen: [{ words: 'resume', code: 5, says: [chunk('[15]', 'account')] }],
  },
  {
    name: 'the digests of two chunks are swapped, and a value is corrupted',
    faultsOnly: true,
    done: async (world) => {
      await swapDigests(world);
      await world.reseal('third', 'account 7 secret');
    },
    seen: [{ words: 'resume', code: 5, says: [chunk('[15]', 'account')] }],
  },
  {
    name: 'one bit of a digest is changed',
    done: async (world) => {
      const [found] = await world.exec('select digests from keyturn_chunk where chunk = 5');
      const digests = Buffer.from(found?.digests as Buffer);
      digests[20] = (digests[20] ?? 0) ^ 1;
      await world.chunk(5, `digests = ${world.bytes(digests)}`);
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the digests of a chunk are deleted',
    faultsOnly: true,
    done: (world) => world.chunk(5, 'digests = null'),
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the digests of a chunk are deleted, and one of its values is replaced',
    done: async (world) => {
      await world.chunk(5, 'digests = null');
      await world.set('account 7 secret', await world.sealed('account 3 secret'));
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the digests of a chunk are truncated',
    faultsOnly: true,
    done: async (world) => {
      const [found] = await world.exec('select digests from keyturn_chunk where chunk = 5');
      await world.chunk(5, `digests = ${world.bytes(Buffer.from(found?.digests as Buffer).subarray(0, 40))}`);
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the tally of a chunk is changed',
    done: (world) => world.chunk(5, 'rotated = rotated - 1, current_count = current_count + 1'),
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the tally of a chunk is changed so that it does not add up',
    faultsOnly: true,
    done: (world) => world.chunk(5, 'row_count = 500'),
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'a chunk is marked as verified, and one of its values is corrupted',
    done: async (world) => {
      await world.chunk(5, forged);
      await world.garble('account 7 secret');
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'a chunk is marked as verified in a later round',
    faultsOnly: true,
    done: (world) => world.chunk(5, 'verified_round = 9'),
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the end of a rotated range is moved, which leaves a gap',
    faultsOnly: true,
    done: (world) => world.chunk(5, `up_to = '["8"]'`),
    seen: [{ words: 'resume', code: 5, says: [chunk('[59]', 'account')] }],
  },
  {
    name: 'a chunk is deleted',
    done: (world) => world.exec('delete from keyturn_chunk where chunk = 5'),
    seen: [{ words: 'resume', code: 5, says: [/account/] }],
  },
  {
    name: 'the last chunk of a table is deleted, which has no rows',
    done: (world) => world.exec('delete from keyturn_chunk where chunk = 16'),
    seen: [{ words: 'resume', code: 5, says: [/contact/] }],
  },
  {
    name: 'the chunks of a table are deleted, and one of its values is replaced',
    async done(world) {
      await world.exec("delete from keyturn_chunk where target = 'account'");
      await world.set('account 7 secret', await world.sealed('account 3 secret'));
    },
    seen: [{ words: 'resume', code: 5, says: [/account/] }],
  },
  {
    name: 'a chunk is duplicated',
    done: async (world) => {
      const [chunk = {}] = await world.exec('select * from keyturn_chunk where chunk = 5');
      await world.insertCells('keyturn_chunk', { ...chunk, chunk: 99 });
    },
    seen: [{ words: 'resume', code: 5, says: [chunk('(5|99)', 'account')] }],
  },
  {
    name: 'a chunk is marked as split',
    faultsOnly: true,
    done: (world) => world.chunk(5, "state = 'split'"),
    seen: [{ words: 'resume', code: 5, says: [/account/] }],
  },
  {
    name: 'a chunk is marked as split, and its rows are deleted',
    done: async (world) => {
      await world.chunk(5, "state = 'split'");
      await world.exec('delete from account where id between 6 and 10');
    },
    seen: [{ words: 'resume', code: 5, says: [/account/] }],
  },
  {
    name: 'the target of a rotated chunk is changed to one that the job lacks',
    faultsOnly: true,
    done: (world) => world.chunk(7, "target = 'nowhere'"),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'nowhere')] }],
  },
  {
    name: 'all chunks are deleted',
    faultsOnly: true,
    done: (world) => world.exec('delete from keyturn_chunk'),
    seen: [{ words: 'resume', code: [0, 3, 5] }],
  },
  {
    name: 'the round is raised: everything is read again',
    faultsOnly: true,
    done: (world) => world.run('round = 5'),
    seen: [{ words: 'resume', code: [0, 5] }],
  },
  {
    name: 'the round is negative',
    faultsOnly: true,
    done: (world) => world.run('round = -3'),
    seen: [{ words: 'resume', code: [0, 3, 5] }],
  },
  {
    name: 'the run is marked as verified, and a value is corrupted',
    done: async (world) => {
      await world.run("state = 'verified'");
      await world.garble('account 7 secret');
    },
    seen: [
      { words: verify, code: 5, says: [/account|run \d{8}-/] },
      { words: 'status', code: 0, says: [/not\s+authenticated/] },
    ],
  },
]);
