import { KeyturnError } from '../../error.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import type { Context } from '../command.ts';

/** One thing that has to be agreed to: the flag that says so, and the question that asks for it. */
export interface Consent {
  readonly flag: string;
  readonly given: boolean | undefined;
  readonly question: string;
}

/** Without a terminal nobody can be asked: what is missing is told before anything else is done. */
export function assertConsent({ terminal }: Context, consents: readonly Omit<Consent, 'question'>[]): void {
  const missing = consents.filter(({ given }) => given !== true).map(({ flag }) => flag);
  if (terminal.interactive || missing.length === 0) return;
  throw refused(missing);
}

/** Asks for what the flags leave open. */
export async function askConsent({ terminal, signal }: Context, consents: readonly Consent[]): Promise<void> {
  for (const { flag, given, question } of consents) {
    if (given === true) continue;
    if (!terminal.interactive || !(await unlessStopped(signal, terminal.confirm(question))))
      throw refused([flag]);
  }
}

function refused(missing: readonly string[]): KeyturnError {
  return new KeyturnError(
    'missing-consent',
    `this needs your consent, which is missing: ${missing.join(' ')}`,
    {
      hint: `add ${missing.join(' ')} when it is so`,
    },
  );
}
