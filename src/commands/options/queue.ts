import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import { parseQueueUrl } from '../../queue/queue-url.ts';
import type { Context } from '../command.ts';
import { groups } from './options.ts';

export const queueOptions = {
  queue: {
    type: 'string',
    requiresArg: true,
    group: groups.execution,
    describe:
      'queue that hands the chunks to keyturn worker processes: redis://, rediss://, redis+sentinel://, redis+cluster:// or postgres:// [env: KEYTURN_QUEUE]',
  },
} as const satisfies Record<string, Options>;

/** A queue as the user gave it; the password is kept separate. */
export interface GivenQueue {
  readonly url: string;
  readonly password: string | null;
}

/** The queue of --queue or KEYTURN_QUEUE, or null. Throws `queue-url`. */
export function givenQueue(
  { environment }: Context,
  args: { readonly queue?: string | undefined },
): GivenQueue | null {
  const url = args.queue ?? (environment.KEYTURN_QUEUE || undefined);
  if (url === undefined) return null;
  parseQueueUrl(url);
  return { url, password: environment.KEYTURN_QUEUE_PASSWORD || null };
}

/** A dry run has no distributed workers. Throws `bad-option`. */
export function refuseQueue(args: { readonly queue?: string | undefined }): void {
  if (args.queue === undefined) return;
  throw new KeyturnError('bad-option', 'a dry run runs in this process only and cannot use a queue', {
    hint: 'remove --queue',
  });
}

/** The same option as words of a command line, without a password. */
export function queueWords({ queue }: { readonly queue?: string | undefined }): string[] {
  if (queue === undefined) return [];
  const url = queue
    .replace(/^([^/]*\/\/[^:@/]*):[^@/]*@/, '$1@')
    .replace(/([?&])sentinelPassword=[^&]*&?/, '$1');
  return ['--queue', url.replace(/[?&]$/, '')];
}
