import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/** The rules of docs/architecture.md hold because breaking one fails `npm run lint`. Each rule is broken here. */

const root = fileURLToPath(new URL('..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const [dependencyCruiser, biome] = (scripts.lint as string).split(' && ');
const project = mkdtempSync(join(tmpdir(), 'keyturn-lint-'));

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Runs one command of `npm run lint` in a project that consists of these files. */
function lint(command: string | undefined, files: Iterable<readonly [path: string, text: string]>) {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(join(project, 'test/support'), { recursive: true });
  for (const file of [
    'biome.json',
    '.gitignore',
    '.dependency-cruiser.mjs',
    '.import-types.grit',
    'package.json',
  ]) {
    cpSync(join(root, file), join(project, file));
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  const run = spawnSync(command ?? 'false', {
    cwd: project,
    shell: true,
    encoding: 'utf8',
    env: {
      ...process.env,
      NO_COLOR: '1',
      PATH: join(root, 'node_modules/.bin') + delimiter + process.env.PATH,
    },
  });
  return { passed: run.status === 0, output: run.stdout + run.stderr };
}

const allowed = [
  ['src/cli.ts', 'src/commands/rotate.ts'],
  ['src/commands/rotate.ts', 'src/rotation/coordinator.ts'],
  ['src/commands/rotate.ts', 'src/report/report.ts'],
  ['src/commands/steps/site.ts', 'src/checkpoint/run.ts'],
  ['src/rotation/coordinator.ts', 'src/queue/queue.ts'],
  ['src/rotation/planner.ts', 'src/inventory/preflight.ts'],
  ['src/inventory/preflight.ts', 'src/chunk/values/classify.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/checkpoint/run.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/databases/database.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/formats/format.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/documents/document.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/keys/keyring.ts'],
  ['src/chunk/files/rotate-files.ts', 'src/files/tree.ts'],
  ['src/job/job.ts', 'src/databases/database.ts'],
  ['src/formats/n8n.ts', 'src/keys/keyring.ts'],
  ['src/report/report.ts', 'src/checkpoint/run.ts'],
  ['src/worker-thread.ts', 'src/rotation/workers/thread.ts'],
  ['src/databases/open.ts', 'src/databases/sqlite/database.ts'],
  ['src/databases/sqlite/database.ts', 'src/databases/database.ts'],
  ['src/databases/sqlite/database.ts', 'src/error.ts'],
] as const;

const forbidden = [
  ['src/formats/n8n.ts', 'src/databases/database.ts'],
  ['src/formats/n8n.ts', 'src/documents/document.ts'],
  ['src/formats/n8n.ts', 'src/checkpoint/run.ts'],
  ['src/formats/n8n.ts', 'src/job/job.ts'],
  ['src/documents/json.ts', 'src/databases/database.ts'],
  ['src/documents/json.ts', 'src/keys/key.ts'],
  ['src/files/tree.ts', 'src/chunk/files/rotate-files.ts'],
  ['src/files/tree.ts', 'src/databases/database.ts'],
  ['src/hooks/hooks.ts', 'src/commands/rotate.ts'],
  ['src/hooks/hooks.ts', 'src/rotation/coordinator.ts'],
  ['src/metrics/run-metrics.ts', 'src/keys/key.ts'],
  ['src/metrics/run-metrics.ts', 'src/commands/rotate.ts'],
  ['src/databases/sqlite/database.ts', 'src/keys/key.ts'],
  ['src/databases/open.ts', 'src/formats/format.ts'],
  ['src/databases/sqlite/database.ts', 'src/documents/document.ts'],
  ['src/databases/statement.ts', 'src/checkpoint/run.ts'],
  ['src/databases/mysql/database.ts', 'src/databases/postgres/database.ts'],
  ['src/databases/statement.ts', 'src/databases/sqlite/database.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/databases/sqlite/database.ts'],
  ['src/commands/steps/site.ts', 'src/databases/mssql/database.ts'],
  ['src/keys/key.ts', 'src/databases/database.ts'],
  ['src/queue/local.ts', 'src/chunk/rotate-chunk.ts'],
  ['src/job/job.ts', 'src/checkpoint/run.ts'],
  ['src/checkpoint/run.ts', 'src/chunk/rotate-chunk.ts'],
  ['src/chunk/rotate-chunk.ts', 'src/inventory/preflight.ts'],
  ['src/inventory/preflight.ts', 'src/rotation/coordinator.ts'],
  ['src/rotation/coordinator.ts', 'src/report/report.ts'],
  ['src/rotation/coordinator.ts', 'src/commands/rotate.ts'],
  ['src/rotation/coordinator.ts', 'src/terminal/console.ts'],
  ['src/rotation/coordinator.ts', 'src/worker-thread.ts'],
  ['src/report/report.ts', 'src/databases/database.ts'],
  ['src/report/report.ts', 'src/rotation/coordinator.ts'],
  ['src/report/report.ts', 'src/keys/key.ts'],
  ['src/terminal/console.ts', 'src/keys/key.ts'],
  ['src/index.ts', 'src/commands/rotate.ts'],
  ['src/index.ts', 'src/cli.ts'],
  ['src/worker-thread.ts', 'src/commands/rotate.ts'],
  ['src/commands/rotate.ts', 'src/cli.ts'],
  ['src/commands/steps/site.ts', 'src/worker-thread.ts'],
  ['src/error.ts', 'src/keys/key.ts'],
  ['src/a-new-folder/it.ts', 'src/error.ts'],
  ['src/a-new-file.ts', 'src/databases/database.ts'],
  ['test/support/n8n/decrypt.ts', 'src/formats/n8n.ts'],
  ['test/support/octopus/sealing.ts', 'src/formats/base64.ts'],
] as const;

const imports = {
  'of a value': (path: string) => `import { it } from '${path}';\nexport const twice = it * 2;\n`,
  'of a type': (path: string) => `import type { It } from '${path}';\nexport type That = It;\n`,
  'of a type, marked in the list': (path: string) =>
    `import { type It } from '${path}';\nexport type That = It;\n`,
  'at run time': (path: string) => `export const load = () => import('${path}');\n`,
  'that exports a value again': (path: string) => `export { it } from '${path}';\n`,
  'that exports a type again': (path: string) => `export type { It } from '${path}';\n`,
  'that exports everything again': (path: string) => `export * from '${path}';\n`,
  'without a name': (path: string) => `import '${path}';\n`,
} as const;

/** The files of all these imports in one project, so that one process checks them. */
function importing(
  cases: readonly (readonly [importer: string, imported: string])[],
  statement: (path: string) => string = imports['without a name'],
): Map<string, string> {
  const files = new Map<string, string>();
  for (const [importer, imported] of cases) {
    const path = relative(dirname(importer), imported).replaceAll('\\', '/');
    const text = statement(path.startsWith('.') ? path : `./${path}`);
    files.set(importer, (files.get(importer) ?? '') + text);
  }
  for (const [, imported] of cases) {
    files.set(imported, `${files.get(imported) ?? ''}export const it = 1;\nexport type It = number;\n`);
  }
  return files;
}

describe('import directions', () => {
  const ways = Object.entries(imports).map(
    ([way, statement], i) =>
      [way, `src/formats/way-${i}.ts`, 'src/databases/database.ts', statement] as const,
  );
  let output: string;

  beforeAll(() => {
    const all = importing([...allowed, ...forbidden]);
    for (const [, importer, imported, statement] of ways) {
      for (const file of importing([[importer, imported]], statement)) all.set(...file);
    }
    ({ output } = lint(dependencyCruiser, all));
  });

  test('allowed imports pass the lint', () => {
    expect(lint(dependencyCruiser, importing(allowed))).toMatchObject({ passed: true });
  });

  test('a forbidden import fails the lint', () => {
    expect(lint(dependencyCruiser, importing([forbidden[0]]))).toMatchObject({ passed: false });
  });

  test.each(allowed)('%s may import %s', (importer, imported) => {
    expect(output).not.toContain(`${importer} → ${imported}`);
  });

  test.each(forbidden)('%s may not import %s', (importer, imported) => {
    expect(output).toContain(`${importer} → ${imported}`);
  });

  test.each(ways)('a forbidden import %s counts', (_way, importer, imported) => {
    expect(output).toContain(`${importer} → ${imported}`);
  });
});

describe('code that fails the lint', () => {
  const bad = [
    [
      'a floating promise',
      'lint/nursery/noFloatingPromises',
      'src/rotation/coordinator.ts',
      {
        'src/rotation/finish.ts': 'export async function finish(): Promise<number> {\n  return 1;\n}\n',
        'src/rotation/coordinator.ts':
          "import { finish } from './finish.ts';\n\nexport function stop(): void {\n  finish();\n}\n",
      },
    ],
    [
      'an import cycle',
      'lint/suspicious/noImportCycles',
      'src/keys/key.ts',
      {
        'src/keys/key.ts': "import { ring } from './keyring.ts';\n\nexport const key = () => ring;\n",
        'src/keys/keyring.ts': "import { key } from './key.ts';\n\nexport const ring = () => key;\n",
      },
    ],
    [
      'process.env outside the composition roots',
      'lint/style/noProcessEnv',
      'src/keys/home.ts',
      { 'src/keys/home.ts': 'export const home = () => process.env.HOME;\n' },
    ],
    [
      'process.exit outside the composition roots',
      'lint/nursery/noProcessExit',
      'src/commands/rotate.ts',
      { 'src/commands/rotate.ts': 'export const stop = () => process.exit(1);\n' },
    ],
    [
      'a type imported where it is used',
      'plugin',
      'src/keys/that.ts',
      { 'src/keys/that.ts': "export type That = import('./key.ts').It;\n" },
    ],
    ['bad formatting', 'format', 'src/keys/quotes.ts', { 'src/keys/quotes.ts': 'export const a = "1"\n' }],
  ] as const;
  let output: string;

  beforeAll(() => {
    const all = bad.flatMap(([, , , files]) => Object.entries(files));
    ({ output } = lint(`${biome} --colors=off --max-diagnostics=none`, all));
  });

  test.each(bad)('%s', (_what, rule, file, _files) => {
    expect(output).toMatch(new RegExp(`^${file}.* ${rule}`, 'm'));
  });

  test('the composition roots may read the environment and exit', () => {
    const text = "if (process.env.KEYTURN_DATABASE === '') process.exit(2);\n";
    const roots = ['src/cli.ts', 'src/worker-thread.ts'];
    expect(
      lint(
        biome,
        roots.map((path) => [path, text]),
      ),
    ).toMatchObject({ passed: true });
  });

  test('bad code fails it', () => {
    expect(lint(biome, [['src/keys/quotes.ts', 'export const a = "1"\n']])).toMatchObject({ passed: false });
  });
});
