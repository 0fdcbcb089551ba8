import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { manySqlite } from '../support/n8n/many.ts';
import { consent, emptyFolder, type Folder, folderWith, keyturn, n8nFolder } from './keyturn.ts';
import { isMissing, refuses, refusesRotation, withOption } from './refusal.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => {
  folder.remove();
});

test('without a terminal, missing confirmations are listed before anything else', async () => {
  await refuses(folder, ['rotate', ...folder.rotation], {
    code: 'missing-consent',
    message: /required: --iHaveBackedUpMyDatabase --iReallyWantToRotateMyMasterKey$/,
  });
  await refuses(
    folder,
    ['rotate', ...withOption(folder, '--database', 'sqlite:nowhere'), '--iHaveBackedUpMyDatabase'],
    {
      code: 'missing-consent',
      message: /required: --iReallyWantToRotateMyMasterKey$/,
    },
  );
});

describe('with the current key, rotate', () => {
  test('refuses a wrong key', async () => {
    writeFileSync(folder.file('other.key'), randomBytes(24).toString('base64'), { mode: 0o600 });
    await refusesRotation(folder, withOption(folder, '--current-key-file', folder.file('other.key')), {
      code: 'wrong-current-key',
      message: 'this key does not decrypt this n8n database',
    });
    expect(isMissing(folder.file('new.key'))).toBe(true);
  });

  test('refuses a wrong key that passes the padding check of the only value', async () => {
    const { path } = emptyFolder();
    manySqlite(`${path}/database.sqlite`, { credentials: 1, instanceKey: 'the right key' });
    const lucky = folderWith(path, 'the right key');
    try {
      lucky.exec('delete from deployment_key; delete from settings');
      const database = new Sqlite(lucky.database, { readonly: true });
      const sealed = database.prepare<[], string>('select data from credentials_entity').pluck().get() ?? '';
      database.close();
      writeFileSync(lucky.file('old.key'), passing(sealed));
      await refusesRotation(lucky, lucky.rotation, {
        code: 'wrong-current-key',
        message: /does not decrypt/,
      });
    } finally {
      lucky.remove();
    }
  });

  test('refuses a missing, unreadable or empty file, or no key at all', async () => {
    await refusesRotation(folder, withOption(folder, '--current-key-file', 'nowhere.key'), {
      code: 'key-file-missing',
      message: /nowhere\.key/,
    });
    mkdirSync(folder.file('folder.key'));
    await refusesRotation(folder, withOption(folder, '--current-key-file', 'folder.key'), {
      code: 'key-file-unreadable',
      message: /it is a folder/,
    });
    writeFileSync(folder.file('empty.key'), '\n');
    await refusesRotation(folder, withOption(folder, '--current-key-file', 'empty.key'), {
      code: 'key-file-empty',
      message: /empty\.key is empty/,
    });
    const unsaid = ['--job', 'n8n', '--database', folder.url, '--new-key-file', 'new.key'];
    await refusesRotation(folder, unsaid, {
      code: 'no-current-key',
      message: /no current master key given/,
      hint: /--current-key-file/,
    });
  });

  test('warns if other users can read the file', async () => {
    chmodSync(folder.file('old.key'), 0o644);
    const { code, stderr } = await keyturn(['rotate', ...folder.rotation, '--dry-run'], { cwd: folder.path });
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^keyturn: warning: .*old\.key is accessible to other users \(mode 0644\); run chmod 600 on it$/m,
    );
  });
});

describe('with the new key, rotate', () => {
  test('refuses the current key', async () => {
    await refusesRotation(folder, withOption(folder, '--new-key-file', folder.file('old.key')), {
      code: 'same-key',
      message: /is the current key/,
    });
    await refusesRotation(folder, [...folder.rotation, '--masterKey', folder.oldKey], {
      code: 'same-key',
      message: /is the current key/,
    });
  });

  test('refuses a file that differs from --masterKey', async () => {
    writeFileSync(folder.file('new.key'), 'one', { mode: 0o600 });
    await refusesRotation(folder, [...folder.rotation, '--masterKey', 'two'], {
      code: 'key-file-differs',
      message: /is not the key given with --masterKey/,
    });
    expect(folder.read('new.key')).toBe('one');
  });

  test('refuses a key that an earlier run retired', async () => {
    expect(await keyturn(['rotate', ...folder.rotation, ...consent], { cwd: folder.path })).toMatchObject({
      code: 0,
    });
    const back = [
      '--job',
      'n8n',
      '--database',
      folder.url,
      '--current-key-file',
      'new.key',
      '--new-key-file',
      'old.key',
    ];
    await refusesRotation(folder, back, { code: 'key-retired', message: /an earlier run retired/ });
  });

  test('refuses without a file, or with a file that cannot be created', async () => {
    const unsaid = ['--job', 'n8n', '--database', folder.url, '--current-key-file', 'old.key'];
    await refusesRotation(folder, unsaid, { code: 'bad-option', message: /--new-key-file is required/ });
    await refusesRotation(folder, withOption(folder, '--new-key-file', 'no/such/folder/new.key'), {
      code: 'key-file-unwritten',
      message: /the folder does not exist/,
    });
  });
});

describe('with the job, rotate', () => {
  test('refuses an unknown job', async () => {
    await refusesRotation(folder, withOption(folder, '--job', 'm8n'), {
      code: 'job-unknown',
      message: /"m8n" is neither a built-in job nor a file/,
      hint: /built-in jobs: .*n8n/,
    });
  });

  test('refuses an invalid job and names the line and the field', async () => {
    const yaml = readFileSync(new URL('../../jobs/n8n.yaml', import.meta.url), 'utf8');
    writeFileSync(folder.file('mine.yaml'), yaml.replace('title: n8n', 'titel: n8n'));
    await refusesRotation(folder, withOption(folder, '--job', 'mine.yaml'), {
      code: 'job-invalid',
      message: /mine\.yaml:\d+: titel/,
    });
  });

  test('refuses an --exclude of an unknown column or without a reason', async () => {
    await refusesRotation(folder, [...folder.rotation, '--exclude', 'nowhere.x=why'], {
      code: 'bad-option',
      message: /nowhere\.x/,
    });
    await refusesRotation(folder, [...folder.rotation, '--exclude', 'settings.value'], {
      code: 'bad-option',
      message: /table\.column=reason/,
    });
  });
});

test('rotate refuses a log or a report that cannot be written', async () => {
  await refusesRotation(folder, [...folder.rotation, '--log-file', 'no/such/folder/log'], {
    code: 'bad-option',
    message: /log cannot be written/,
  });
  await refusesRotation(folder, [...folder.rotation, '--report-dir', 'old.key/report'], {
    code: 'bad-option',
    message: /report could not be written/,
  });
  expect(isMissing(folder.file('new.key'))).toBe(true);
  rmSync(folder.file('old.key'));
});

/** A wrong key that passes the padding check of the value by chance. */
function passing(sealed: string): string {
  for (let i = 0; ; i++) {
    const key = `wrong ${i}`;
    try {
      openLegacy(sealed, key);
      return key;
    } catch {
      // Try the next one.
    }
  }
}
