import type { Connection } from 'tedious';

/** The server's words on a login; the last is often only "Login failed for user" (18456). */
interface Reason {
  readonly number: number;
  readonly message: string;
}

const loginFailed = 18456;

/**
 * The driver keeps only the text of the last error of a login, and no number. Whoever opens a connection calls this first,
 * so that the error of `connect` has the number and the text that say why.
 */
export function keepReason(connection: Connection): void {
  let reason: Reason | undefined;
  const note = ({ number, message }: Reason): void => {
    if (reason === undefined || reason.number === loginFailed) reason = { number, message };
  };
  connection.on('errorMessage', note);
  // The driver tries again by itself after some of the transient errors
  connection.on('retry' as never, () => {
    reason = undefined;
  });
  // Before the pool wraps it
  connection.prependOnceListener('connect', (error?: Error) => {
    connection.removeListener('errorMessage', note);
    if (error && reason !== undefined) Object.assign(error, reason);
  });
}

interface Explained {
  readonly what: string;
  readonly hint: string;
}

const later = 'try again in a few minutes';
const primary = 'the primary replica, or to the listener of the availability group';

/**
 * What an operator can do about a refused login, by the number of its reason:
 * https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors and, for the
 * five-digit ones from 40000 on, https://learn.microsoft.com/en-us/azure/azure-sql/database/troubleshoot-common-errors-issues
 */
const explained = new Map<number, Explained>(
  (
    [
      [[18456], 'did not accept the login', 'check the user and KEYTURN_DATABASE_PASSWORD'],
      [[18452], 'did not accept the login of this Windows domain', 'use a login of SQL Server'],
      [[18470], 'has disabled this login', 'enable it with ALTER LOGIN … ENABLE, or use another login'],
      [
        [18486],
        'has locked this login out',
        'unlock it with ALTER LOGIN … WITH PASSWORD = … UNLOCK, or use another login',
      ],
      [
        [18487, 18488],
        'requires a new password for this login',
        'change the password with ALTER LOGIN, or use another login',
      ],
      [
        [40615, 40914],
        'does not allow this host: its firewall refused the connection',
        'add a firewall rule for the address of this host',
      ],
      [
        [40532, 40531],
        'does not know the server that the login names',
        'write the user as user@server, with the name of the server',
      ],
      [
        [18451, 18461, 924],
        'only admits administrators or a single user at the moment',
        'set the server and the database to MULTI_USER, or stop the other session',
      ],
      [
        [17892],
        'did not accept the login: a logon trigger refused it',
        'check the logon triggers of the server',
      ],
      [[978, 979], 'is a secondary replica that does not accept this connection', `connect to ${primary}`],
      [
        [976, 983, 4221],
        'is a replica that does not accept connections at the moment',
        `${later}, or connect to ${primary}`,
      ],
      [[921, 922, 952, 988, 40613], 'cannot open the database at the moment', later],
      [
        [926, 927, 942, 945],
        'cannot open the database: it is offline, damaged or being restored',
        'bring the database online',
      ],
      [[6005, 6006], 'is shutting down', 'try again when the server is running'],
      [[17142], 'is paused and accepts no logins', 'resume the service of SQL Server'],
      [[17187, 18401], 'is starting and accepts no logins yet', later],
      [
        [17809, 10928, 10929, 10936, 40501, 49918, 49919, 49920],
        'is at the limit of its connections or resources',
        later,
      ],
      [[40143, 40197, 40540], 'cannot process the login at the moment', later],
    ] as const
  ).flatMap(([numbers, what, hint]) => numbers.map((number) => [number, { what, hint }] as const)),
);

/** Null: the number is unknown, and the server's own words have to do. */
export function explainRefusal(number: number | undefined): Explained | null {
  return (number !== undefined && explained.get(number)) || null;
}
