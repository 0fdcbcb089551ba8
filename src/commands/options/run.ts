import { type Authority, defaultOptions, type RunOptions } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import { parseDuration } from '../../rotation/window.ts';
import type { Context } from '../command.ts';
import { count } from './options.ts';

interface Given {
  readonly onException?: string | undefined;
  readonly maxExceptions?: string | undefined;
  readonly chunkRows?: string | undefined;
  readonly chunkTimeout?: string | undefined;
}

/** Those that were given; a resume keeps the others as they were. */
export function givenOptions(args: Given): Partial<RunOptions> {
  const { onException } = args;
  const maxExceptions = count(args.maxExceptions, '--max-exceptions', 0);
  const chunkRows = count(args.chunkRows, '--chunk-rows');
  return {
    ...((onException === 'stop' || onException === 'skip') && { onException }),
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
    throw new KeyturnError('bad-option', '--max-exceptions has a meaning with --on-exception skip only', {
      hint: 'add --on-exception skip, or leave --max-exceptions out',
    });
  }
  return { ...defaultOptions, ...given };
}

export function authorityOf(
  { loginName }: Context,
  args: {
    readonly operator?: string | undefined;
    readonly approver?: string | undefined;
    readonly ticket?: string | undefined;
    readonly reason?: string | undefined;
  },
): Authority {
  const { operator, approver, ticket, reason } = args;
  return { operator: operator ?? loginName, approver, ticket, reason };
}
