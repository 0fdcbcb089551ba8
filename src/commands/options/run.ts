import { type Accepted, type Authority, defaultOptions, type RunOptions } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import { parseDuration } from '../../rotation/pace/window.ts';
import type { Context } from '../command.ts';
import { count } from './options.ts';

interface Given {
  readonly onException?: string | undefined;
  readonly maxExceptions?: string | undefined;
  readonly chunkRows?: string | undefined;
  readonly chunkTimeout?: string | undefined;
  readonly nested?: string | undefined;
}

/** The options that were given; a resumed run keeps the others. */
export function givenOptions(args: Given): Partial<RunOptions> {
  const { onException, nested } = args;
  const maxExceptions = count(args.maxExceptions, '--max-exceptions', 0);
  const chunkRows = count(args.chunkRows, '--chunk-rows');
  return {
    ...((onException === 'stop' || onException === 'skip') && { onException }),
    ...((nested === 'rotate' || nested === 'unwrap') && { nested }),
    ...(maxExceptions !== undefined && { maxExceptions }),
    ...(chunkRows !== undefined && { chunkRows }),
    ...(args.chunkTimeout !== undefined && { chunkTimeoutMs: timeout(args.chunkTimeout) }),
  };
}

function timeout(text: string): number | null {
  return text === '0' ? null : parseDuration(text, '--chunk-timeout');
}

export function newRunOptions(args: Given): RunOptions {
  const given = givenOptions(args);
  if (given.maxExceptions !== undefined && given.onException !== 'skip') {
    throw new KeyturnError('bad-option', '--max-exceptions requires --on-exception skip', {
      hint: 'add --on-exception skip, or remove --max-exceptions',
    });
  }
  return { ...defaultOptions, ...given };
}

interface Accepting extends Signing {
  readonly acceptDeleted?: string | undefined;
  readonly acceptChanged?: string | undefined;
  readonly acceptUnproven?: string | undefined;
}

/** The rows that the operator accepts, with the name of the operator. */
export function acceptedRows(
  context: Context,
  args: Accepting,
): Pick<RunOptions, 'acceptDeleted' | 'acceptChanged' | 'acceptUnproven'> {
  const { operator, reason = null } = authorityOf(context, args);
  const accept = (text: string | undefined, option: string): Accepted | undefined => {
    const rows = count(text, option);
    return rows === undefined ? undefined : { rows, operator, reason };
  };
  const deleted = accept(args.acceptDeleted, '--accept-deleted');
  const changed = accept(args.acceptChanged, '--accept-changed');
  const unproven = accept(args.acceptUnproven, '--accept-unproven');
  return {
    ...(deleted !== undefined && { acceptDeleted: deleted }),
    ...(changed !== undefined && { acceptChanged: changed }),
    ...(unproven !== undefined && { acceptUnproven: unproven }),
  };
}

interface Signing {
  readonly operator?: string | undefined;
  readonly reason?: string | undefined;
}

export function authorityOf(
  { loginName }: Context,
  args: Signing & {
    readonly approver?: string | undefined;
    readonly ticket?: string | undefined;
  },
): Authority {
  const { operator, approver, ticket, reason } = args;
  return { operator: operator ?? loginName, approver, ticket, reason };
}
