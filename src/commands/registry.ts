import type { Command } from './command.ts';

type Load = () => Promise<Command>;

/** All commands by the first word of their names, in the order in which a user needs them. */
const loads: readonly (readonly [names: readonly string[], load: Load])[] = [
  [['rotate-master-key', 'rotate'], async () => (await import('./rotate.ts')).rotate],
  [['resume'], async () => (await import('./resume.ts')).resume],
  [['plan'], async () => (await import('./plan.ts')).plan],
  [['scan'], async () => (await import('./scan.ts')).scan],
  [['worker'], async () => (await import('./worker.ts')).worker],
  [['status'], async () => (await import('./status.ts')).status],
  [['pause'], async () => (await import('./pause.ts')).pause],
  [['cancel'], async () => (await import('./cancel.ts')).cancel],
  [['rollback'], async () => (await import('./rollback.ts')).rollback],
  [['verify'], async () => (await import('./verify.ts')).verify],
  [['report'], async () => (await import('./report.ts')).report],
  [['exceptions'], async () => (await import('./exceptions-list.ts')).exceptionsList],
  [['exceptions'], async () => (await import('./exceptions-retry.ts')).exceptionsRetry],
  [['formats'], async () => (await import('./formats-list.ts')).formatsList],
  [['formats'], async () => (await import('./formats-try.ts')).formatsTry],
  [['jobs'], async () => (await import('./jobs-list.ts')).jobsList],
  [['jobs'], async () => (await import('./jobs-show.ts')).jobsShow],
  [['show-master-key'], async () => (await import('./show-master-key.ts')).showMasterKey],
  [['set-master-key'], async () => (await import('./set-master-key.ts')).setMasterKey],
  [['data-key'], async () => (await import('./data-key-list.ts')).dataKeyList],
  [['data-key'], async () => (await import('./data-key-rotate.ts')).dataKeyRotate],
  [['data-key'], async () => (await import('./data-key-retire.ts')).dataKeyRetire],
  [['forget'], async () => (await import('./forget.ts')).forget],
];

/**
 * The commands that a command line with this first word can mean: all of them, unless it is the name of one. The others
 * are then not loaded, since loading is most of the time that a short command takes.
 */
export async function commandsFor(first?: string): Promise<readonly Command[]> {
  const named = loads.filter(([names]) => first !== undefined && names.includes(first));
  const commands: Command[] = [];
  for (const [, load] of named.length > 0 ? named : loads) commands.push(await load());
  return commands;
}
