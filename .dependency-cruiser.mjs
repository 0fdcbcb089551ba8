/**
 * Which folder of src may import which: part of `npm run lint`. A folder may always import itself and `shared`.
 * docs/architecture.md says what each of them is for.
 */
const shared = [
  'error.ts',
  'in-flight.ts',
  'plain-file.ts',
  'sync-folder.ts',
  'texts.ts',
  'tls.ts',
  'within.ts',
];
const mayImport = {
  'error.ts': [],
  'in-flight.ts': [],
  'plain-file.ts': [],
  'sync-folder.ts': [],
  'texts.ts': [],
  'tls.ts': [],
  'within.ts': [],
  'installation.ts': [],
  keys: [],
  documents: [],
  files: [],
  queue: [],
  hooks: [],
  databases: [],
  formats: ['keys'],
  job: ['databases', 'formats', 'keys'],
  checkpoint: ['databases', 'job', 'keys'],
  chunk: ['checkpoint', 'databases', 'documents', 'files', 'formats', 'job', 'keys'],
  inventory: ['chunk', 'checkpoint', 'databases', 'documents', 'files', 'formats', 'job', 'keys'],
  rotation: [
    ...['inventory', 'chunk', 'checkpoint', 'databases', 'documents', 'files', 'formats', 'job', 'keys'],
    'queue',
  ],
  report: ['checkpoint', 'formats', 'job'],
  metrics: ['chunk', 'rotation'],
  terminal: ['rotation'],
  commands: [
    ...[
      'rotation',
      'inventory',
      'chunk',
      'checkpoint',
      'databases',
      'documents',
      'files',
      'formats',
      'job',
      'keys',
    ],
    ...['queue', 'hooks', 'report', 'metrics', 'terminal'],
  ],
  'worker-thread.ts': ['rotation'],
  'index.ts': [
    ...['rotation', 'inventory', 'checkpoint', 'databases', 'formats', 'job', 'keys', 'report'],
    'installation.ts',
  ],
  'cli.ts': ['commands', 'terminal', 'installation.ts'],
};

const at = (names) => `^src/(${names.map((name) => name.replace('.', '\\.')).join('|')})(/|$)`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...Object.entries(mayImport).map(([name, others]) => {
      const allowed = name === 'error.ts' ? [] : [...shared, ...others];
      return {
        name,
        comment: `src/${name} may import ${allowed.join(', ') || 'nothing'}`,
        severity: 'error',
        from: { path: at([name]) },
        to: { path: '^src/', pathNot: at([name, ...allowed]) },
      };
    }),
    {
      name: 'no-line-in-the-table',
      comment: 'a new folder of src needs a line in this table',
      severity: 'error',
      from: { path: '^src/', pathNot: at(Object.keys(mayImport)) },
      to: { path: '^src/' },
    },
    {
      name: 'engine-of-another',
      comment: 'an engine knows what databases/ shares, never another engine',
      severity: 'error',
      from: { path: '^src/databases/([^/]+)/' },
      to: { path: '^src/databases/[^/]+/', pathNot: '^src/databases/$1/' },
    },
    {
      name: 'engine-from-outside',
      comment: 'an engine is reached through databases/open.ts',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/databases/([^/]+/|open\\.ts)' },
      to: { path: '^src/databases/[^/]+/' },
    },
    {
      name: 'independent-check',
      comment: 'these check src independently: they share no code with it',
      severity: 'error',
      from: { path: '^test/support/(n8n|octopus|applications)/' },
      to: { path: '^src/' },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
  },
};
