import { isFinished, type Request, type Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import { type Steered, steer } from '../../rotation/steering.ts';
import { parseDuration } from '../../rotation/window.ts';
import type { Context, Outcome } from '../command.ts';
import type { Opened } from './opened.ts';

export const steerOptions = {
  wait: {
    type: 'boolean',
    group: 'How to run it:',
    default: true,
    describe: 'wait until nobody works on the run any more; --no-wait: only ask for it',
  },
  timeout: {
    type: 'string',
    requiresArg: true,
    group: 'How to run it:',
    describe: 'wait so long [default: 2m]',
  },
} as const;

interface Given {
  readonly wait: boolean;
  readonly timeout?: string | undefined;
}

/** How long to wait for the coordinator. Throws `bad-option`. */
export function patience({ wait, timeout = '2m' }: Given): number {
  const ms = parseDuration(timeout, '--timeout');
  return wait ? ms : 0;
}

/** A run that is over has nothing to steer. */
export function assertUnderway(run: Run, request: Request): void {
  if (!isFinished(run.state)) return;
  throw new KeyturnError(
    'run-state',
    `run ${run.id} is finished (${run.state}): nothing is left to ${request}`,
    {
      hint: 'keyturn status shows the runs of this database',
      facts: { run: run.id },
    },
  );
}

/** Asks for it, waits for it, and says what came of it. */
export async function steerRun(
  { signal, log }: Context,
  { database }: Opened,
  run: Run,
  request: Request,
  waitMs: number,
): Promise<Outcome> {
  const steered = await steer(database, run, request, waitMs, signal);
  const { id, state, reason } = steered.run;
  log.info({ run: id, state, by: steered.by }, request);
  return {
    exitCode: steered.by === 'asked' && waitMs > 0 ? 3 : 0,
    document: { run: { id, state, reason }, request, by: steered.by },
    text: `${told(steered, request)}\n`,
  };
}

function told({ run: { id, state, reason }, by }: Steered, request: Request): string {
  const next = isFinished(state) ? '' : '; go on with keyturn resume';
  switch (by) {
    case 'coordinator':
      return `run ${id} is ${state}${state === 'failed' ? ` (${reason?.text ?? ''})` : ''}${next}`;
    case 'this':
      return `run ${id} is ${state}: no coordinator was at work${next}`;
    case 'already':
      return `run ${id} is ${state} already${next}`;
    case 'ended':
      return `run ${id} came to its end first (${state}): nothing was left to ${request}`;
    case 'asked':
      return `run ${id} is asked to ${request}, its coordinator has not acted on it yet; follow it with keyturn status`;
  }
}
