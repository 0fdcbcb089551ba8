import type { Options } from 'yargs';
import { KeyturnError } from '../../error.ts';
import { type Hook, type HookEvent, Hooks, hookEvents } from '../../hooks/hooks.ts';
import { parseDuration } from '../../rotation/pace/window.ts';
import type { Context } from '../command.ts';
import { warn } from '../steps/key-sources.ts';
import { groups } from './options.ts';

export const hookOptions = {
  hook: {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.monitoring,
    describe:
      'EVENT=COMMAND: run a command on start, pause, exception or end; its environment has KEYTURN_EVENT, _RUN, _STATE, _REASON, _EXCEPTIONS and _REPORT; repeatable',
  },
  'hook-timeout': {
    type: 'string',
    requiresArg: true,
    group: groups.monitoring,
    describe: 'kill a hook that takes longer [default: 60s]',
  },
} as const satisfies Record<string, Options>;

export interface HookArguments {
  readonly hook?: readonly string[] | undefined;
  readonly hookTimeout?: string | undefined;
}

/** Throws `bad-option`. */
export function givenHooks(context: Context, args: HookArguments): Hooks {
  const { environment, folder, terminal } = context;
  return new Hooks({
    hooks: (args.hook ?? []).map(parseHook),
    timeoutMs: parseDuration(args.hookTimeout ?? '60s', '--hook-timeout'),
    environment,
    folder,
    say: (line) => terminal.say(line),
    warn: (text) => warn(context, text),
  });
}

function parseHook(text: string): Hook {
  const at = text.indexOf('=');
  const event = text.slice(0, Math.max(0, at));
  const command = text.slice(at + 1).trim();
  if (at > 0 && isEvent(event) && command !== '') return { event, command };
  throw new KeyturnError('bad-option', `--hook must be EVENT=COMMAND, not ${JSON.stringify(text)}`, {
    hint: `the events are ${hookEvents.join(', ')}`,
  });
}

function isEvent(text: string): text is HookEvent {
  return (hookEvents as readonly string[]).includes(text);
}

/** The same options as words of a command line. */
export function hookWords({ hook, hookTimeout }: HookArguments): string[] {
  return [
    ...(hook ?? []).flatMap((text) => ['--hook', text]),
    ...(hookTimeout === undefined ? [] : ['--hook-timeout', hookTimeout]),
  ];
}
