import { at, chunk, type Damage, row } from './damage.ts';

const verify = 'verify --current-key-file new.key';

/** As if it had never been rotated. */
const unrotated = [
  "state = 'planned'",
  ...['digests', 'digests_mac', 'rotated_mac', 'rotated_at', 'worker'].map((column) => `${column} = null`),
  ...['row_count', 'filtered', 'value_count', 'rotated', 'empty_count'].map((column) => `${column} = 0`),
].join(', ');

/** Halfway through a run: chunks 1 to 5 are rotated, 6 to 8 are planned. */
export const checkpointDuring: readonly Damage[] = at('halfway through the rotation', [
  {
    name: 'a planned chunk is marked as rotated',
    faultsOnly: true,
    done: (world) => world.chunk(7, "state = 'rotated'"),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'device')] }],
  },
  {
    name: 'a planned chunk is marked as rotated, with the digests of another one',
    done: async (world) => {
      const [like = {}] = await world.exec('select * from keyturn_chunk where chunk = 3');
      await world.exec('delete from keyturn_chunk where chunk = 7');
      const { after, up_to } = { after: '["east","10"]', up_to: '["west","7"]' };
      await world.insertCells('keyturn_chunk', { ...like, chunk: 7, after, up_to });
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'device')] }],
  },
  {
    name: 'a rotated chunk is marked as planned',
    done: (world) => world.chunk(3, "state = 'planned'"),
    seen: [{ words: 'resume', code: 5, says: [chunk(3, 'device')] }],
  },
  {
    name: 'a rotated chunk is marked as planned, and one of its values is replaced',
    async done(world) {
      await world.chunk(1, "state = 'planned'");
      await world.set('account 3 secret', await world.sealed('account 5 secret'));
    },
    seen: [{ words: 'resume', code: 5, says: [chunk(1, 'account')] }],
  },
  {
    name: 'a rotated chunk is planned again without a trace, and one of its values is replaced',
    async done(world) {
      await world.chunk(1, unrotated);
      await world.set('account 3 secret', await world.sealed('account 5 secret'));
    },
    seen: [{ words: 'resume', code: 5, says: [row('account', 3), /--accept-unproven 5/] }],
  },
  {
    name: 'the last rotated chunk of a table is deleted, and one of its values is replaced',
    async done(world) {
      await world.exec("delete from keyturn_chunk where target = 'account' and chunk > 1");
      await world.set('account 7 secret', await world.sealed('account 3 secret'));
    },
    seen: [{ words: 'resume', code: 5, says: [/account/] }],
  },
  {
    name: 'a chunk is deleted and no longer counted',
    faultsOnly: true,
    async done(world) {
      await world.exec("delete from keyturn_chunk where target = 'account' and chunk > 1");
      await world.exec(`update keyturn_plan set chunks = replace(chunks, '"account":2', '"account":1')`);
    },
    seen: [{ words: 'resume', code: 5, says: [/keyturn_plan/] }],
  },
  {
    name: 'the count of the chunks is deleted',
    faultsOnly: true,
    done: (world) => world.exec('delete from keyturn_plan'),
    seen: [{ words: 'resume', code: 5, says: [/keyturn_plan/] }],
  },
  {
    name: 'a rotated chunk is reset to planned, with its digests deleted',
    faultsOnly: true,
    done: (world) =>
      world.chunk(
        3,
        "state = 'planned', digests = null, rotated_at = null, row_count = 0, value_count = 0, rotated = 0",
      ),
    seen: [{ words: 'resume', code: [0, 3, 5] }],
  },
  {
    name: 'the end of a planned range is moved, which leaves a gap',
    done: (world) => world.chunk(7, `up_to = '["west","1"]'`),
    seen: [{ words: 'resume', code: 5, says: [chunk('(7|11)', 'device')] }],
  },
  {
    name: 'the start of a planned range is moved, which leaves a gap',
    faultsOnly: true,
    done: (world) => world.chunk(8, `after = '["7"]'`),
    seen: [{ words: 'resume', code: 5, says: [chunk(8, 'contact')] }],
  },
  {
    name: 'the start of a planned range is moved into a rotated one',
    done: (world) => world.chunk(7, `after = '["east","4"]'`),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'device')] }],
  },
  {
    name: 'the end of a rotated range is removed',
    faultsOnly: true,
    done: (world) => world.chunk(5, 'up_to = null'),
    seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
  },
  {
    name: 'the target of a planned chunk is changed to another one',
    done: (world) => world.chunk(8, "target = 'account'"),
    seen: [{ words: 'resume', code: 5, says: [/chunk 8 of (account|contact)/] }],
  },
  {
    name: 'the target of a planned chunk is changed to one that the job lacks',
    done: (world) => world.chunk(7, "target = 'nowhere'"),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'nowhere')] }],
  },
  {
    name: 'the bounds of a chunk are unreadable',
    done: (world) => world.chunk(7, "after = '[east'"),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'device')] }],
  },
  {
    name: 'the phase of a planned chunk is changed',
    faultsOnly: true,
    done: (world) => world.chunk(7, 'phase = 9'),
    seen: [{ words: 'resume', code: 5, says: [chunk(7, 'device')] }],
  },
  {
    name: 'a planned chunk is marked as split',
    done: (world) => world.chunk(7, "state = 'split'"),
    seen: [{ words: 'resume', code: 5, says: [/device/] }],
  },
  {
    name: 'a rotated chunk is deleted',
    faultsOnly: true,
    done: (world) => world.exec('delete from keyturn_chunk where chunk = 3'),
    seen: [{ words: 'resume', code: 5, says: [/device/] }],
  },
  {
    name: 'the run is marked as verified',
    done: (world) => world.run("state = 'verified'"),
    seen: [
      { words: verify, code: [2, 5], says: [/app_key|device|contact/] },
      { words: 'status', code: 0, says: [/not\s+authenticated|DOES NOT RECONCILE/] },
    ],
  },
  {
    name: 'the state of the run is unknown',
    done: (world) => world.run("state = 'finished'"),
    seen: [
      { words: 'resume', code: [2, 5], says: [/finished/] },
      { words: 'status', code: 0 },
    ],
  },
  {
    name: 'the kind of the run is changed',
    faultsOnly: true,
    done: (world) => world.run("kind = 'verification'"),
    seen: [
      { words: 'resume', code: [2, 5] },
      { words: 'rotate', code: [0, 2, 3, 5] },
    ],
  },
  {
    name: 'the fence is lowered: no worker is left to mind',
    faultsOnly: true,
    done: (world) => world.run('fence = 0'),
    seen: [{ words: 'resume', code: 0 }],
  },
  {
    name: 'attempts and generation are changed: nothing depends on them',
    faultsOnly: true,
    done: (world) => world.exec('update keyturn_chunk set attempts = 7, generation = 99'),
    seen: [{ words: 'resume', code: 0 }],
  },
  {
    name: 'the ids of the two keys are swapped',
    done: (world) => world.run('from_key_id = to_key_id, to_key_id = from_key_id'),
    seen: [{ words: 'resume', code: 2, says: [/--current-key-file/] }],
  },
  {
    name: 'the id of the new key is changed',
    faultsOnly: true,
    done: (world) => world.run("to_key_id = '0123456789abcdef'"),
    seen: [{ words: 'resume', code: 2, says: [/0123456789abcdef/] }],
  },
  {
    name: 'the keys kept in the run are deleted',
    faultsOnly: true,
    done: (world) => world.run("pinned = '{}'"),
    seen: [{ words: 'resume', code: [2, 5], says: [/run \d{8}-.*keys/] }],
  },
  {
    name: 'a key kept in the run is corrupted',
    faultsOnly: true,
    done: async (world) => {
      const [found] = await world.exec('select pinned from keyturn_run');
      const pinned = String(found?.pinned);
      await world.run(
        `pinned = '${pinned.slice(0, 40)}${pinned[40] === 'A' ? 'B' : 'A'}${pinned.slice(41)}'`,
      );
    },
    seen: [{ words: 'resume', code: [2, 5], says: [/run \d{8}-.*keys/] }],
  },
  {
    name: 'the keys kept in the run are unreadable',
    done: (world) => world.run("pinned = '{'"),
    seen: [
      { words: 'resume', code: [2, 5], says: [/run \d{8}-/] },
      { words: 'status', code: [0, 5] },
    ],
  },
  {
    name: 'the history is deleted: nothing depends on it',
    faultsOnly: true,
    done: (world) => world.exec('delete from keyturn_event'),
    seen: [
      { words: 'resume', code: 0 },
      { words: 'report', code: 0 },
    ],
  },
  {
    name: 'the row of the run is deleted',
    done: (world) => world.exec('delete from keyturn_run'),
    seen: [
      { words: 'resume', code: [2, 5], says: [/run/] },
      { words: 'rotate', code: [0, 2, 3, 5] },
    ],
  },
  {
    name: 'the table of the version is dropped',
    done: (world) => world.exec('drop table keyturn_version'),
    seen: [
      { words: 'status', code: [0, 2, 5], says: [/keyturn_version/] },
      { words: 'resume', code: [2, 5], says: [/keyturn_version/] },
      { words: 'rotate', code: [2, 5], says: [/keyturn_version/] },
    ],
  },
  {
    name: 'the version of the tables is later than this one',
    faultsOnly: true,
    done: (world) => world.exec('update keyturn_version set version = 99'),
    seen: [{ words: 'resume', code: 2, says: [/version 99/] }],
  },
  {
    name: 'the table of the chunks is dropped',
    byEngine: true,
    done: (world) => world.exec('drop table keyturn_chunk'),
    seen: [
      { words: 'resume', code: [2, 5], says: [/keyturn_chunk/] },
      { words: 'status', code: [2, 5], says: [/keyturn_chunk/] },
    ],
  },
  {
    name: 'the table of the exceptions is dropped',
    faultsOnly: true,
    byEngine: true,
    done: (world) => world.exec('drop table keyturn_exception'),
    seen: [{ words: 'resume', code: [2, 5], says: [/keyturn_exception/] }],
  },
  {
    name: 'the checkpoint is restored from an earlier copy than the data',
    done: (world) => world.dataOf('between rotation and verification', 'halfway through the rotation'),
    seen: [{ words: 'resume', code: [0, 3, 5] }],
  },
  {
    name: 'the checkpoint is that of a run with other keys',
    faultsOnly: true,
    done: async (world) =>
      world.run(
        `id = '20200101-000000-abcdef', from_key_id = 'aaaaaaaaaaaaaaaa', to_key_id = 'bbbbbbbbbbbbbbbb'`,
      ),
    seen: [{ words: 'resume', code: 2, says: [/bbbbbbbbbbbbbbbb/] }],
  },
  {
    name: 'the id of the run is changed',
    done: async (world) => {
      for (const table of ['chunk', 'exception', 'event'])
        await world.exec(`update keyturn_${table} set run = '20200101-000000-abcdef'`);
      await world.run("id = '20200101-000000-abcdef'");
    },
    seen: [{ words: 'resume', code: [2, 5], says: [/20200101-000000-abcdef/] }],
  },
]);
