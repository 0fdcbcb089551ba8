import { KeyturnError } from '../error.ts';

/** Told why a run cannot begin: `rotate` ends with the first reason, `plan` shows them all. */
export type Refuse = (reason: KeyturnError) => void;

export function atOnce(reason: KeyturnError): never {
  throw reason;
}

/** The result of a check that refuses by an error; null: it did, and the reason was told. */
export async function attempt<T>(refuse: Refuse, check: () => T | Promise<T>): Promise<T | null> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    refuse(error);
    return null;
  }
}
