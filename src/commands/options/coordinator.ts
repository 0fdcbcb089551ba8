import type { Hooks } from '../../hooks/hooks.ts';
import { openStore } from '../../queue/open-store.ts';
import type { Context } from '../command.ts';
import { metricsOptions, type ServedArguments } from '../steps/served.ts';
import { givenHooks, type HookArguments, hookOptions, hookWords } from './hook.ts';
import { type GivenQueue, givenQueue, queueOptions, queueWords } from './queue.ts';

/** Options of the commands that coordinate a run. */
export const coordinatorOptions = { ...queueOptions, ...metricsOptions, ...hookOptions };

export interface CoordinatorArguments extends HookArguments, ServedArguments {
  readonly queue?: string | undefined;
}

export interface Coordinating {
  readonly hooks: Hooks;
  readonly sharedQueue: GivenQueue | null;
}

/** Checks that the queue is reachable before anything is changed. Throws `bad-option`, `queue-url`, `queue-unreachable`. */
export async function givenCoordinating(context: Context, args: CoordinatorArguments): Promise<Coordinating> {
  const hooks = givenHooks(context, args);
  const sharedQueue = givenQueue(context, args);
  if (sharedQueue !== null) {
    const { url, password } = sharedQueue;
    await openStore(url, password === null ? {} : { password });
  }
  return { hooks, sharedQueue };
}

/** The same options as words of a command line. */
export function coordinatorWords(args: CoordinatorArguments): string[] {
  return [...queueWords(args), ...hookWords(args)];
}
