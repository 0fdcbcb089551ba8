import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { expectTranscript } from '../support/transcript.ts';
import { keyturn } from './keyturn.ts';

const commands = [
  '',
  'rotate-master-key',
  'resume',
  'worker',
  'plan',
  'scan',
  'status',
  'pause',
  'cancel',
  'rollback',
  'verify',
  'report',
  'exceptions',
  'exceptions list',
  'exceptions retry',
  'formats',
  'formats list',
  'formats try',
  'show-master-key',
  'set-master-key',
  'data-key',
  'data-key list',
  'data-key rotate',
  'data-key retire',
  'forget',
];

test.each(commands)('keyturn %s --help', async (command) => {
  const words = command.split(' ').filter((word) => word !== '');
  const { code, stdout, stderr } = await keyturn([...words, '--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expectTranscript(new URL(`transcripts/${['help', ...words].join('-')}.txt`, import.meta.url), stdout);
});

test('commands that do not exist yet are not shown', async () => {
  const { stdout } = await keyturn(['--help']);
  expect(stdout).not.toMatch(/lost-master-key|retire-key/);
});

test('rotate is an alias of rotate-master-key', async () => {
  const [alias, name] = await Promise.all([
    keyturn(['rotate', '--help']),
    keyturn(['rotate-master-key', '--help']),
  ]);
  expect(alias.stdout).toBe(name.stdout);
});

test('--version and completion print to stdout', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await keyturn(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  const completion = await keyturn(['completion']);
  expect(completion.code).toBe(0);
  expect(completion.stdout).toContain('keyturn');
});

test.each([
  [[], 'no command given'],
  [['rotat'], 'unknown argument: rotat'],
  [['status', '--bogus'], 'unknown argument: bogus'],
  [['exceptions'], 'keyturn exceptions requires a subcommand: list or retry'],
  [['status', '--database'], 'not enough arguments following: database'],
  [['status', '--database', 'a', '--database', 'b'], '--database is given more than once'],
  [['rotate', '--workers', '0'], '--workers must be a whole number of at least 1, not "0"'],
  [['rotate', '--chunk-rows', '1e3'], '--chunk-rows must be a whole number of at least 1, not "1e3"'],
  [
    ['rotate', '--max-exceptions', 'many'],
    '--max-exceptions must be a whole number of at least 0, not "many"',
  ],
  [
    ['rotate', '--metrics-port', '99999'],
    '--metrics-port must be a port number of at most 65535, not "99999"',
  ],
  [
    ['rotate', '--on-exception', 'ignore'],
    'invalid values: Argument: on-exception, Given: "ignore", Choices: "stop", "skip"',
  ],
  [['rotate'], 'no job given'],
  [
    ['rotate', '--masterKey=', 'a-key-of-somebody'],
    'unknown argument after the options (not shown, since it may be a key)',
  ],
  [['status'], 'no database given'],
])('%j is refused', async (args, message) => {
  const { code, stdout, stderr } = await keyturn(args);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  const [error, hint, rest] = stderr.split('\n');
  expect(error).toBe(`keyturn: error: ${message}`);
  expect(hint).toMatch(/^keyturn: hint: \S/);
  expect(rest).toBe('');
});

test('with --json, an error is a document too', async () => {
  const { code, stdout } = await keyturn(['rotate', '--json', '--bogus']);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'bad-option', message: 'unknown argument: bogus', hint: expect.any(String), facts: {} },
  });
});
