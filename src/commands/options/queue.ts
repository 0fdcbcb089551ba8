import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import { parseQueueUrl } from '../../queue/queue-url.ts';
import type { Context } from '../command.ts';

const group = 'How to run it:';

export const queueOptions = {
  queue: {
    type: 'string',
    requiresArg: true,
    group,
    describe:
      'hand the chunks out to keyturn worker processes: redis://, rediss://, redis+sentinel://, redis+cluster:// or postgres://; also KEYTURN_QUEUE',
  },
} as const satisfies Record<string, Options>;

/** A queue as the user named it; the password stays apart. */
export interface GivenQueue {
  readonly url: string;
  readonly password: string | null;
}

/** Of --queue or KEYTURN_QUEUE; null: none is named. Throws `queue-url`. */
export function givenQueue(
  { environment }: Context,
  args: { readonly queue?: string | undefined },
): GivenQueue | null {
  const url = args.queue ?? (environment.KEYTURN_QUEUE || undefined);
  if (url === undefined) return null;
  parseQueueUrl(url);
  return { url, password: environment.KEYTURN_QUEUE_PASSWORD || null };
}

/** A dry run hands nothing out. */
export function refuseQueue(args: { readonly queue?: string | undefined }): void {
  if (args.queue === undefined) return;
  throw new KeyturnError('bad-option', 'a dry run works in this process alone, without --queue', {
    hint: 'leave --queue out',
  });
}

/** The same again, as words of a command line: without a password. */
export function queueWords({ queue }: { readonly queue?: string | undefined }): string[] {
  if (queue === undefined) return [];
  const url = queue
    .replace(/^([^/]*\/\/[^:@/]*):[^@/]*@/, '$1@')
    .replace(/([?&])sentinelPassword=[^&]*&?/, '$1');
  return ['--queue', url.replace(/[?&]$/, '')];
}
