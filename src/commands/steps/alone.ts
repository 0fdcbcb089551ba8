import type { Database } from '../../databases/database.ts';
import type { Session } from '../../databases/server.ts';
import { KeyturnError } from '../../error.ts';
import type { Context } from '../command.ts';
import { askConsent } from './consent.ts';
import { warn } from './key-sources.ts';

/** Sessions that the message lists. */
const shown = 10;

/**
 * An application that is still connected writes values with the old key behind the run, and reads values that it cannot
 * decrypt. Where the server does not show other sessions to this user, continuing needs a confirmation.
 */
export async function assertAlone(
  context: Context,
  database: Database,
  force: boolean | undefined,
): Promise<void> {
  const connected = await stillConnected(database);
  if (connected === 'unseen') {
    const question = `This database user cannot see who else is connected to ${database.place}. Is the application stopped on every host?`;
    return askConsent(context, [{ flag: '--force', given: force, question }]);
  }
  if (connected === null) return;
  if (force !== true) throw connected;
  warn(context, connected.message);
}

/** The refusal if somebody else is connected. `unseen`: the server does not show other sessions to this user. */
export async function stillConnected(database: Database): Promise<KeyturnError | 'unseen' | null> {
  const sessions = await database.server.sessions();
  if (sessions === null) return 'unseen';
  if (sessions.length === 0) return null;
  const listed = sessions.slice(0, shown).map(nameOf);
  const more = sessions.length > shown ? `; and ${sessions.length - shown} more` : '';
  return new KeyturnError(
    'still-connected',
    `still connected to ${database.place}: ${listed.join('; ')}${more}`,
    {
      hint: 'stop the application first; --force continues anyway, and values that the application writes with the old key are found and rotated again',
    },
  );
}

function nameOf({ program, host, login }: Session): string {
  const parts = [program ?? 'an unnamed program', host && `from ${host}`, login && `as ${login}`];
  return parts.filter((part) => part !== null && part !== '').join(' ');
}
