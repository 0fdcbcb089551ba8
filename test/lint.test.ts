import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

/** The rules of the house (design.md, section 2) hold because breaking one fails the lint. Each is broken here. */

const root = fileURLToPath(new URL('..', import.meta.url));
const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
let house: string;

beforeEach(() => {
  house = mkdtempSync(join(tmpdir(), 'keyturn-lint-'));
  for (const file of ['biome.json', '.gitignore']) cpSync(join(root, file), join(house, file));
});

afterEach(() => rmSync(house, { recursive: true, force: true }));

function lint(files: Record<string, string>): { passed: boolean; output: string } {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(house, path)), { recursive: true });
    writeFileSync(join(house, path), text);
  }
  const run = spawnSync(process.execPath, [biome, 'ci', '--colors=off', '.'], {
    cwd: house,
    encoding: 'utf8',
  });
  return { passed: run.status === 0, output: run.stdout + run.stderr };
}

/** A module that others import, and one that imports it. */
function importing(importer: string, imported: string): Record<string, string> {
  const depth = importer.split('/').length - 2;
  const specifier = (depth === 0 ? './' : '../'.repeat(depth)) + imported.replace(/^src\//, '');
  return {
    [imported]: 'export const it = 1;\n',
    [importer]: `import { it } from '${specifier}';\n\nexport const twice = it * 2;\n`,
  };
}

const allowed = [
  ['src/cli.ts', 'src/commands/rotate.ts'],
  ['src/commands/rotate.ts', 'src/rotation/coordinator.ts'],
  ['src/commands/rotate.ts', 'src/report/report.ts'],
  ['src/rotation/rotate-chunk.ts', 'src/databases/database.ts'],
  ['src/rotation/rotate-chunk.ts', 'src/formats/format.ts'],
  ['src/rotation/rotate-chunk.ts', 'src/documents/document.ts'],
  ['src/rotation/rotate-chunk.ts', 'src/keys/keyring.ts'],
  ['src/rotation/coordinator.ts', 'src/queue/queue.ts'],
  ['src/rotation/planner.ts', 'src/job/job.ts'],
  ['src/job/job.ts', 'src/databases/database.ts'],
  ['src/formats/n8n.ts', 'src/keys/keyring.ts'],
  ['src/report/report.ts', 'src/rotation/checkpoint.ts'],
  ['src/report/report.ts', 'src/rotation/run-table.ts'],
  ['src/rotation/rotate-rows.ts', 'src/rotation/worker.ts'],
  ['src/worker.ts', 'src/rotation/worker.ts'],
  ['src/databases/sqlite.ts', 'src/error.ts'],
] as const;

const forbidden = [
  ['src/formats/n8n.ts', 'src/databases/database.ts'],
  ['src/formats/n8n.ts', 'src/documents/document.ts'],
  ['src/formats/n8n.ts', 'src/rotation/run.ts'],
  ['src/formats/n8n.ts', 'src/job/job.ts'],
  ['src/documents/json.ts', 'src/databases/database.ts'],
  ['src/documents/json.ts', 'src/keys/key.ts'],
  ['src/databases/sqlite.ts', 'src/keys/key.ts'],
  ['src/databases/sqlite.ts', 'src/formats/format.ts'],
  ['src/databases/engines/sqlite.ts', 'src/documents/document.ts'],
  ['src/databases/sqlite.ts', 'src/rotation/run.ts'],
  ['src/keys/key.ts', 'src/databases/database.ts'],
  ['src/queue/local.ts', 'src/rotation/rotate-chunk.ts'],
  ['src/job/job.ts', 'src/rotation/run.ts'],
  ['src/rotation/run.ts', 'src/report/report.ts'],
  ['src/rotation/run.ts', 'src/commands/rotate.ts'],
  ['src/report/report.ts', 'src/databases/database.ts'],
  ['src/report/report.ts', 'src/rotation/coordinator.ts'],
  ['src/report/report.ts', 'src/keys/key.ts'],
  ['src/rotation/run.ts', 'src/terminal/console.ts'],
  ['src/terminal/console.ts', 'src/keys/key.ts'],
  ['src/index.ts', 'src/commands/rotate.ts'],
  ['src/worker.ts', 'src/commands/rotate.ts'],
  ['src/commands/rotate.ts', 'src/cli.ts'],
  ['src/rotation/run.ts', 'src/worker.ts'],
  ['src/index.ts', 'src/cli.ts'],
  ['src/error.ts', 'src/keys/key.ts'],
  ['test/support/n8n/decrypt.ts', 'src/formats/n8n.ts'],
  ['test/support/octopus/sealing.ts', 'src/formats/base64.ts'],
] as const;

describe('import directions', () => {
  test.each(allowed)('%s may import %s', (importer, imported) => {
    const { passed, output } = lint(importing(importer, imported));
    expect({ passed, output: passed ? '' : output }).toEqual({ passed: true, output: '' });
  });

  test.each(forbidden)('%s may not import %s', (importer, imported) => {
    const files = importer.startsWith('test/')
      ? {
          [imported]: 'export const it = 1;\n',
          [importer]: `import { it } from '../../../${imported}';\n\nexport const twice = it * 2;\n`,
        }
      : importing(importer, imported);
    const { passed, output } = lint(files);
    expect(passed).toBe(false);
    expect(output).toContain('lint/style/noRestrictedImports');
  });

  test('not for a type, a dynamic import or a re-export either', () => {
    const database = {
      'src/databases/database.ts': 'export interface Database {\n  readonly engine: string;\n}\n',
    };
    for (const text of [
      "import type { Database } from '../databases/database.ts';\n\nexport type Engine = Database['engine'];\n",
      "export const load = () => import('../databases/database.ts');\n",
      "export type { Database } from '../databases/database.ts';\n",
    ]) {
      const { passed, output } = lint({ ...database, 'src/formats/n8n.ts': text });
      expect(passed).toBe(false);
      expect(output).toContain('lint/style/noRestrictedImports');
    }
  });
});

test.each([
  [
    'a floating promise',
    'lint/nursery/noFloatingPromises',
    {
      'src/rotation/run.ts': 'export async function finish(): Promise<number> {\n  return 1;\n}\n',
      'src/rotation/coordinator.ts':
        "import { finish } from './run.ts';\n\nexport function stop(): void {\n  finish();\n}\n",
    },
  ],
  [
    'an import cycle',
    'lint/suspicious/noImportCycles',
    {
      'src/keys/key.ts': "import { ring } from './keyring.ts';\n\nexport const key = () => ring;\n",
      'src/keys/keyring.ts': "import { key } from './key.ts';\n\nexport const ring = () => key;\n",
    },
  ],
  [
    'process.env outside the composition roots',
    'lint/style/noProcessEnv',
    { 'src/keys/key.ts': 'export const home = () => process.env.HOME;\n' },
  ],
  [
    'process.exit outside the composition roots',
    'lint/nursery/noProcessExit',
    { 'src/commands/rotate.ts': 'export const stop = () => process.exit(1);\n' },
  ],
  ['bad formatting', 'format', { 'src/keys/key.ts': 'export const a = "1"\n' }],
] as const)('%s fails the lint', (_what, rule, files) => {
  const { passed, output } = lint(files);
  expect(passed).toBe(false);
  expect(output).toContain(rule);
});

test('the composition roots may read the environment and exit', () => {
  const text = "if (process.env.KEYTURN_DATABASE === '') process.exit(2);\n";
  expect(lint({ 'src/cli.ts': text, 'src/worker.ts': text }).passed).toBe(true);
});
