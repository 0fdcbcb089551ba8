import { forged, swapDigests } from './checkpoint-rotated.ts';
import { at, chunk, type Damage, row } from './damage.ts';
import { lateRow } from './moments.ts';

const verify = 'verify --current-key-file new.key';

/** During the run's own verification and its sweeps. */
export const checkpointVerifying: readonly Damage[] = [
  ...at('halfway through the verification', [
    {
      name: 'the remaining chunks are marked as verified, and a value is corrupted',
      done: async (world) => {
        await world.exec(`update keyturn_chunk set ${forged} where verified_round = 0`);
        await world.garble('device west,5 code');
      },
      seen: [{ words: 'resume', code: 5, says: [chunk('(6|7|11)', '(mailbox|device)')] }],
    },
    {
      name: 'the round is reset',
      faultsOnly: true,
      done: (world) => world.run('round = 0'),
      seen: [{ words: 'resume', code: [0, 5] }],
    },
    {
      name: 'the counts of a verified chunk are changed',
      done: (world) => world.chunk(3, 'v_rows = 4, v_proven = 4, v_gone = 1'),
      seen: [{ words: 'resume', code: 5, says: [chunk(3, 'device')] }],
    },
  ]),
  ...at('once a late row is found', [
    {
      name: 'the record of a late row is deleted',
      done: (world) => world.chunk(13, 'late = null, v_late = 0, v_proven = v_rows'),
      seen: [{ words: 'resume', code: [0, 5] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
    {
      name: 'the record of a late row names another row',
      done: (world) => world.chunk(13, `late = '[["1"]]'`),
      seen: [{ words: 'resume', code: [0, 3, 5] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
    {
      name: 'the record of a late row is unreadable',
      faultsOnly: true,
      done: (world) => world.chunk(13, `late = '[["100"'`),
      seen: [{ words: 'resume', code: 5, says: [chunk(13, 'account')] }],
    },
  ]),
  ...at('once a sweep is planned', [
    {
      name: 'the row of a sweep is changed',
      done: (world) => world.chunk(19, `row_ids = '[["1"]]'`),
      seen: [{ words: 'resume', code: 5, says: [chunk(19, 'account')] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
    {
      name: 'a sweep is deleted',
      done: (world) => world.exec('delete from keyturn_chunk where chunk = 19'),
      seen: [{ words: 'resume', code: 5, says: [/run \d{8}-/] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
    {
      name: 'a sweep is marked as verified',
      done: (world) => world.chunk(19, "state = 'verified', verified_round = 1"),
      seen: [{ words: 'resume', code: 5, says: [/run \d{8}-/] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
  ]),
  ...at('once a sweep is rotated', [
    {
      name: 'the chunk that a sweep belongs to is changed',
      done: (world) => world.chunk(19, 'parent = 1'),
      seen: [{ words: 'resume', code: 5, says: [chunk(19, 'account')] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
    {
      name: 'the digests of a sweep are deleted, and its value is replaced',
      done: async (world) => {
        await world.chunk(19, 'digests = null');
        await world.set(lateRow.place, await world.sealed('account 3 secret'));
      },
      seen: [{ words: 'resume', code: 5, says: [chunk(19, 'account')] }],
      truth: { [lateRow.place]: lateRow.plain },
    },
  ]),
  ...at('after a failed verification', [
    {
      name: 'the chunk with the corrupted value is marked as verified',
      done: (world) => world.chunk(5, forged),
      seen: [{ words: 'resume', code: 5, says: [chunk(5, 'account')] }],
    },
    {
      name: 'the exception is deleted: it is found again',
      done: (world) => world.exec('delete from keyturn_exception'),
      seen: [{ words: 'resume', code: 5, says: [row('account', 7)] }],
    },
  ]),
];

const without = { 'account 7 secret': null };

/** Of a run with exceptions, and after a run. */
export const checkpointAfter: readonly Damage[] = [
  ...at('stopped at an exception', [
    {
      name: 'the exception is deleted: it is found again',
      faultsOnly: true,
      done: (world) => world.exec('delete from keyturn_exception'),
      seen: [{ words: 'resume --on-exception skip', code: [3, 5], says: [row('account', 7)] }],
    },
    {
      name: 'the reason of the exception is changed',
      faultsOnly: true,
      done: (world) => world.exec("update keyturn_exception set reason = 'undecided-place'"),
      seen: [{ words: 'resume', code: [3, 5], says: [row('account', 7)] }],
    },
    {
      name: 'the exception is marked as resolved',
      faultsOnly: true,
      done: (world) => world.exec("update keyturn_exception set state = 'resolved'"),
      seen: [{ words: 'resume', code: [3, 5], says: [row('account', 7)] }],
    },
    {
      name: 'the row of the exception is changed',
      faultsOnly: true,
      done: (world) => world.exec(`update keyturn_exception set row_id = '["3"]'`),
      seen: [{ words: 'resume', code: [3, 5], says: [row('account', 7)] }],
    },
    {
      name: 'the row of the exception is unreadable',
      done: (world) => world.exec("update keyturn_exception set row_id = '[7'"),
      seen: [{ words: 'resume', code: [2, 3, 5], says: [/keyturn_exception|account/] }],
    },
  ]),
  ...at('after a run with an exception', [
    {
      name: 'the exception is deleted',
      faultsOnly: true,
      done: (world) => world.exec('delete from keyturn_exception'),
      seen: [
        { words: 'status', code: 0, says: [/not\s+authenticated/] },
        { words: verify, code: 5, says: [row('account', 7)] },
      ],
      truth: without,
    },
    {
      name: 'the exception is deleted, and the run is marked as verified without any',
      done: async (world) => {
        await world.exec('delete from keyturn_exception');
        await world.run("state = 'verified'");
      },
      seen: [
        { words: 'status', code: 0, says: [/not\s+authenticated/] },
        { words: verify, code: 5, says: [/account/] },
      ],
      truth: without,
    },
  ]),
  ...at('after the run', [
    {
      name: 'the digests of two chunks are swapped',
      done: swapDigests,
      seen: [{ words: verify, code: 5, says: [chunk('[15]', 'account')] }],
    },
    {
      name: 'the digests of a chunk are deleted, and one of its values is replaced',
      faultsOnly: true,
      done: async (world) => {
        await world.chunk(5, 'digests = null');
        await world.set('account 7 secret', await world.sealed('account 3 secret'));
      },
      seen: [{ words: verify, code: 5, says: [chunk(5, 'account')] }],
    },
    {
      name: 'the target of a chunk is changed to one that the job lacks',
      done: (world) => world.chunk(7, "target = 'nowhere'"),
      seen: [{ words: verify, code: 5, says: [chunk(7, 'nowhere')] }],
    },
    {
      name: 'a chunk is deleted',
      faultsOnly: true,
      done: (world) => world.exec('delete from keyturn_chunk where chunk = 5'),
      seen: [{ words: verify, code: 5, says: [/account/] }],
    },
    {
      name: 'the tallies are raised',
      done: (world) =>
        world.exec('update keyturn_chunk set row_count = row_count + 10, v_rows = v_rows + 10'),
      seen: [
        { words: 'status', code: [0, 5], says: [/not\s+authenticated/] },
        { words: verify, code: 5, says: [chunk('\\d+', '\\w+')] },
      ],
    },
    {
      name: 'the id of the new key is changed',
      faultsOnly: true,
      done: (world) => world.run("to_key_id = '0123456789abcdef'"),
      seen: [{ words: verify, code: 2, says: [/0123456789abcdef/] }],
    },
    {
      name: 'the run is marked as failed: it is finished again',
      faultsOnly: true,
      done: (world) => world.run(`state = 'failed', reason = '{"code":"stopped","text":"by hand"}'`),
      seen: [{ words: 'resume', code: [0, 5] }],
    },
    {
      name: 'the reason of the run is unreadable',
      done: (world) => world.run("state = 'failed', reason = 'by hand'"),
      seen: [
        { words: 'status', code: [0, 2, 5], says: [/run \d{8}-|\d{8}-\d{6}/] },
        { words: 'resume', code: [0, 2, 5] },
      ],
    },
    {
      name: 'the checkpoint is restored from a later copy than the data',
      done: (world) => world.dataOf('halfway through the rotation', 'after the run'),
      seen: [{ words: verify, code: [2, 5], says: [/device|contact|app_key/] }],
    },
    {
      name: 'the checkpoint is that of another copy of the database, which was rotated',
      faultsOnly: true,
      done: (world) => world.dataOf('before the run', 'after the run'),
      seen: [
        { words: verify, code: [2, 5], says: [/device|contact|app_key|does not decrypt/] },
        { words: 'status', code: 0, says: [/not\s+authenticated/] },
      ],
    },
    {
      name: 'the checkpoint is deleted: only that everything decrypts can be proven',
      done: async (world) => {
        for (const table of ['plan', 'file', 'event', 'exception', 'chunk', 'run', 'version'])
          await world.exec(`drop table keyturn_${table}`);
      },
      seen: [
        { words: verify, code: 2, says: [/--job/] },
        { words: `${verify} --job job.yaml`, code: 0 },
      ],
    },
  ]),
];
