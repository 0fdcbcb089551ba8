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
  const sessions = await database.server.sessions();
  if (sessions === null) {
    const question = `This database user cannot see who else is connected to ${database.place}. Is the application stopped on every host?`;
    return askConsent(context, [{ flag: '--force', given: force, question }]);
  }
  if (sessions.length === 0) return;
  const listed = sessions.slice(0, shown).map(nameOf);
  const more = sessions.length > shown ? `; and ${sessions.length - shown} more` : '';
  const text = `still connected to ${database.place}: ${listed.join('; ')}${more}`;
  if (force === true) return warn(context, text);
  throw new KeyturnError('still-connected', text, {
    hint: 'stop the application first; --force continues anyway, and values that the application writes with the old key are found and rotated again',
  });
}

function nameOf({ program, host, login }: Session): string {
  const parts = [program ?? 'an unnamed program', host && `from ${host}`, login && `as ${login}`];
  return parts.filter((part) => part !== null && part !== '').join(' ');
}
