import { keys } from './application.ts';
import { at, type Damage } from './damage.ts';
import type { World } from './world.ts';

// biome-ignore lint/suspicious/noExplicitAny: a stored job as JSON has it, to be damaged in any way
type Stored = any;

const target = (job: Stored, table: string): Stored =>
  job.targets.find((each: Stored) => each.shape.table === table);
const without = (job: Stored, table: string): void => {
  job.targets = job.targets.filter((each: Stored) => each.shape.table !== table);
};
const altered = /run \d{8}-\d{6}-[0-9a-f]{6} .*\bjob\b/;
const refused = [{ words: 'resume', code: 5, says: [altered] }];

const changed = (name: string, change: (job: Stored) => void, more?: (world: World) => Promise<unknown>) => ({
  name,
  async done(world: World) {
    await world.job(change);
    await more?.(world);
  },
  seen: refused,
});

const like = (...of: Parameters<typeof changed>) => ({ ...changed(...of), faultsOnly: true as const });

/** Halfway through a run. */
export const storedJobDuring: readonly Damage[] = at('halfway through the rotation', [
  changed('a target that is not rotated yet is removed', (job) => without(job, 'app_key')),
  like('a target with planned chunks is removed', (job) => without(job, 'device')),
  like('a field is removed', (job) => {
    target(job, 'contact').fields = [];
  }),
  like('a path of a document is removed', (job) => {
    target(job, 'contact').fields[0].document.json.pop();
  }),
  changed('the format of a field is changed', (job) => {
    target(job, 'device').fields[0].format = 'fernet';
  }),
  changed('the rule for plaintexts is loosened', (job) => {
    target(job, 'device').fields[0].plaintext = 'any';
  }),
  changed('values that do not decrypt are made look-alikes', (job) => {
    target(job, 'contact').fields[0].closed = 'look-alike';
  }),
  like('values that are not encrypted are made current', (job) => {
    target(job, 'contact').fields[0].foreign = 'leave';
  }),
  like('a field is restricted to some rows', (job) => {
    const { shape, fields } = target(job, 'contact');
    shape.columns.push('name');
    fields[0].when = [{ index: shape.columns.length - 1, values: ['nobody'] }];
  }),
  like('the table of a target is changed', (job) => {
    target(job, 'device').shape.table = 'mailbox';
  }),
  like('the phase of a target is changed', (job) => {
    target(job, 'app_key').phase = 0;
  }),
  changed('a column is excluded', (job) => {
    job.exclude = [{ table: 'account', column: 'note', reason: 'by hand' }];
  }),
  like('the source keys are removed', (job) => {
    job.sourceKeys = [];
  }),
  like('the canary is changed', (job) => {
    job.canary = [{ table: 'account', column: 'note', format: 'fernet', document: 'text', plaintext: 'any' }];
  }),
  changed('the hash of the job is changed', (job) => {
    job.hash = '0'.repeat(64);
  }),
  like('the name of the job is changed', (job) => {
    job.name = 'another';
  }),
  {
    name: 'the stored job is unreadable',
    done: (world) => world.exec('update keyturn_run set job = substr(job, 1, 100)'),
    seen: [
      { words: 'resume', code: [2, 5], says: [/job/, /run \d{8}-/] },
      { words: 'status', code: [0, 2, 5], says: [/job/] },
      { words: 'report', code: [0, 2, 5], says: [/job/] },
      { words: 'rotate', code: [2, 5], says: [/job/] },
    ],
  },
  {
    name: 'the stored job is some other JSON',
    faultsOnly: true,
    done: (world) => world.exec("update keyturn_run set job = '{}'"),
    seen: [
      { words: 'resume', code: [2, 5], says: [/job/, /run \d{8}-/] },
      { words: 'status', code: [0, 2, 5] },
    ],
  },
]);

/** They are stored beside the job, and a resume may change them. */
export const options: readonly Damage[] = [
  ...at('stopped at an exception', [
    {
      name: 'the stored options are changed to skip exceptions',
      done: (world) => world.exec(`update keyturn_run set options = replace(options, '"stop"', '"skip"')`),
      seen: [{ words: 'resume', code: 5, says: [/run \d{8}-.*options/] }],
    },
    {
      name: 'the stored options are unreadable',
      done: (world) => world.exec("update keyturn_run set options = '{'"),
      seen: [{ words: 'resume', code: [2, 5], says: [/options/] }],
    },
    {
      name: 'the stored options are empty',
      faultsOnly: true,
      done: (world) => world.exec("update keyturn_run set options = '{}'"),
      seen: [{ words: 'resume', code: [2, 3, 5], says: [/options|account/] }],
    },
  ]),
];

const late = { 'account 7 secret': null };

export const storedJobAfter: readonly Damage[] = [
  ...at('between rotation and verification', [
    changed(
      'a target is removed, and one of its values is under the old key',
      (job) => without(job, 'account'),
      (world) => world.reseal('old', 'account 7 secret'),
    ),
    like('the target that holds a key is removed', (job) => without(job, 'app_key')),
  ]),
  ...at('after the run', [
    {
      name: 'the stored job is unreadable',
      faultsOnly: true,
      done: (world) => world.exec('update keyturn_run set job = substr(job, 1, 100)'),
      seen: [
        { words: 'verify --current-key-file new.key', code: 5, says: [/column job of keyturn_run/] },
        { words: 'status', code: 0, says: [/column job\s+of\s+keyturn_run/] },
      ],
    },
    {
      name: 'a target is removed, and one of its values is under the old key',
      async done(world) {
        await world.job((job) => without(job, 'account'));
        await world.reseal('old', 'account 7 secret');
      },
      seen: [{ words: 'verify --current-key-file new.key', code: 5, says: [altered] }],
      truth: late,
    },
    {
      name: 'values that do not decrypt are made look-alikes, and a value is corrupted',
      async done(world) {
        await world.job((job) => {
          target(job, 'account').fields[0].closed = 'look-alike';
        });
        await world.garble('account 7 secret');
      },
      seen: [{ words: 'verify --current-key-file new.key', code: 5, says: [altered] }],
      truth: late,
    },
    {
      name: 'the shape of the key is changed',
      faultsOnly: true,
      done: (world) =>
        world.job((job) => {
          job.key = { form: 'text', trim: 'space', generate: { bytes: 32, as: 'base64' } };
        }),
      seen: [{ words: 'verify --current-key-file new.key', code: [2, 5] }],
      truth: { 'app_key 1 value': keys.new.master },
    },
  ]),
];
