import type { Database } from '../../databases/database.ts';
import type { Session } from '../../databases/server.ts';
import { KeyturnError } from '../../error.ts';
import type { Context } from '../command.ts';
import { askConsent } from './consent.ts';
import { warn } from './key-sources.ts';

/** So many are listed. */
const shown = 10;

/**
 * An application that is still connected writes under the old key behind the run, and reads what it cannot open.
 * Where the server does not tell this login who is connected, that is unknown and wants consent.
 */
export async function assertAlone(
  context: Context,
  database: Database,
  force: boolean | undefined,
): Promise<void> {
  const sessions = await database.server.sessions();
  if (sessions === null) {
    const question = `Whether anybody else is connected to ${database.place} is unknown to this login. Is the application stopped, on every host?`;
    return askConsent(context, [{ flag: '--force', given: force, question }]);
  }
  if (sessions.length === 0) return;
  const listed = sessions.slice(0, shown).map(nameOf);
  const more = sessions.length > shown ? `; and ${sessions.length - shown} more` : '';
  const text = `still connected to ${database.place}: ${listed.join('; ')}${more}`;
  if (force === true) return warn(context, text);
  throw new KeyturnError('still-connected', text, {
    hint: 'stop the application first; --force goes on all the same, and what it writes under the old key is found and redone',
  });
}

function nameOf({ program, host, login }: Session): string {
  const parts = [program ?? 'a program that gives no name', host && `from ${host}`, login && `as ${login}`];
  return parts.filter((part) => part !== null && part !== '').join(' ');
}
