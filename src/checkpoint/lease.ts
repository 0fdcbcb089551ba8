import { hostname } from 'node:os';
import { KeyturnError } from '../error.ts';

/** A coordinator says so often that it is alive. */
export const beatMs = 3_000;
/** Longer than a coordinator that is alive is ever silent, short of being frozen; its fence then protects the data. */
const freshMs = 15_000;

/** Who coordinates a run, as its row says. */
export interface Lease {
  /** Host and process; null: nobody. */
  readonly owner: string | null;
  /** When it last said that it is alive; null: it has ended. */
  readonly heartbeat: string | null;
}

/**
 * Two coordinators of one run: an SQLite database may be reached by several paths (hard links, bind mounts), and its lock
 * file has one of them. A process of this host that has died holds nothing.
 *
 * @throws KeyturnError `run-lock`
 */
export function assertLeaseFree(run: string, { owner, heartbeat }: Lease, self: string): void {
  if (owner === null || heartbeat === null || owner === self || isDead(owner)) return;
  if (Math.abs(Date.now() - Date.parse(heartbeat)) > freshMs) return;
  throw new KeyturnError(
    'run-lock',
    `run ${run} is coordinated by ${owner}, which was alive at ${heartbeat}`,
    {
      hint: 'wait until it has finished, or stop it with keyturn pause',
      facts: { run, owner },
    },
  );
}

/** Only of this host can it be told. */
function isDead(owner: string): boolean {
  const at = owner.lastIndexOf('/');
  if (owner.slice(0, at) !== hostname()) return false;
  try {
    process.kill(Number(owner.slice(at + 1)), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
