import { KeyturnError } from '../../error.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import type { Context } from '../command.ts';

/** Something that the user must confirm: with the flag, or by answering the question on a terminal. */
export interface Consent {
  readonly flag: string;
  readonly given: boolean | undefined;
  readonly question: string;
}

/** Without a terminal nobody can be asked: refuses before anything else is done. Throws `missing-consent`. */
export function assertConsent({ terminal }: Context, consents: readonly Omit<Consent, 'question'>[]): void {
  const missing = consents.filter(({ given }) => given !== true).map(({ flag }) => flag);
  if (terminal.interactive || missing.length === 0) return;
  throw refused(missing);
}

/** Asks for everything that no flag confirms. Throws `missing-consent`. */
export async function askConsent({ terminal, signal }: Context, consents: readonly Consent[]): Promise<void> {
  for (const { flag, given, question } of consents) {
    if (given === true) continue;
    if (!terminal.interactive || !(await unlessStopped(signal, terminal.confirm(question))))
      throw refused([flag]);
  }
}

function refused(missing: readonly string[]): KeyturnError {
  return new KeyturnError('missing-consent', `confirmation required: ${missing.join(' ')}`, {
    hint: `add ${missing.join(' ')} to confirm`,
  });
}
