import { readPipes } from '../../plain-file.ts';
import type { Command } from '../command.ts';

/** Of all commands: their files need not outlive the process. */
const everywhere = ['current-key-file', 'old-key-file', 'key-file', 'application-env'];

/** Reads the files of options that are pipes, before anything else. */
export function readPipedOptions(
  { piped = [] }: Command,
  args: Readonly<Record<string, unknown>>,
): Promise<void> {
  const given = [...everywhere, ...piped].flatMap((option) => args[option] ?? []);
  return readPipes(given.filter((path) => typeof path === 'string'));
}
