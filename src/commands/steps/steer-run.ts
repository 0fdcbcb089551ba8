import { isFinished, type Request, type Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import { parseDuration } from '../../rotation/pace/window.ts';
import { type Steered, steer } from '../../rotation/steering.ts';
import type { CommandResult, Context } from '../command.ts';
import { groups } from '../options/options.ts';
import type { Opened } from './opened.ts';

export const steerOptions = {
  wait: {
    type: 'boolean',
    group: groups.execution,
    default: true,
    describe: 'wait until the run has stopped; --no-wait only makes the request',
  },
  timeout: {
    type: 'string',
    requiresArg: true,
    group: groups.execution,
    describe: 'how long to wait [default: 2m]',
  },
} as const;

interface Given {
  readonly wait: boolean;
  readonly timeout?: string | undefined;
}

/** How long to wait for the coordinator, in ms. Throws `bad-option`. */
export function patience({ wait, timeout = '2m' }: Given): number {
  const ms = parseDuration(timeout, '--timeout');
  return wait ? ms : 0;
}

/** A finished run cannot be paused or cancelled. Throws `run-state`. */
export function assertSteerable(run: Run, request: Request): void {
  if (!isFinished(run.state)) return;
  throw new KeyturnError(
    'run-state',
    `run ${run.id} is finished (${run.state}): there is nothing to ${request}`,
    {
      hint: 'keyturn status shows the runs of this database',
      facts: { run: run.id },
    },
  );
}

/** Requests it, waits for the run to stop, and reports the result. */
export async function steerRun(
  { signal, log }: Context,
  { database }: Opened,
  run: Run,
  request: Request,
  waitMs: number,
): Promise<CommandResult> {
  const steered = await steer(database, run, request, waitMs, signal);
  const { id, state, reason } = steered.run;
  log.info({ run: id, state, by: steered.by }, request);
  return {
    exitCode: steered.by === 'asked' && waitMs > 0 ? 3 : 0,
    document: { run: { id, state, reason }, request, by: steered.by },
    text: `${resultText(steered, request)}\n`,
  };
}

function resultText({ run: { id, state, reason }, by }: Steered, request: Request): string {
  const next = isFinished(state) ? '' : '; continue with keyturn resume';
  switch (by) {
    case 'coordinator':
      return `run ${id} is ${state}${state === 'failed' ? ` (${reason?.text ?? ''})` : ''}${next}`;
    case 'this':
      return `run ${id} is ${state}: no coordinator was running${next}`;
    case 'already':
      return `run ${id} is already ${state}${next}`;
    case 'ended':
      return `run ${id} ended before that (${state}): there was nothing to ${request}`;
    case 'asked':
      return `${request} requested for run ${id}, but its coordinator has not responded yet; check with keyturn status`;
  }
}
