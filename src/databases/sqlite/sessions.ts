import { readdir, readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import type { Session } from '../server.ts';

/**
 * Processes of this host that have the file open. SQLite keeps no list of them, but Linux does (proc(5)); only root sees
 * those of other users. Null: there is no /proc.
 */
export async function sessionsOf(path: string): Promise<Session[] | null> {
  const processes = await readdir('/proc').catch(() => null);
  if (processes === null) return null;
  const others = processes.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(others.map((pid) => sessionOf(pid, path)));
  return found.filter((session) => session !== null);
}

/** A process that ends while it is looked at is not connected. */
async function sessionOf(pid: string, path: string): Promise<Session | null> {
  try {
    const folder = `/proc/${pid}/fd`;
    const open = await Promise.all(
      (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => '')),
    );
    if (!open.includes(path) || (await isKeyturn(pid))) return null;
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
    // Node 24 names its main thread so, and with it the process
    const program = name === 'MainThread' ? basename(await readlink(`/proc/${pid}/exe`)) : name;
    return { program: `${program} (process ${pid})`, host: hostname(), login: null };
  } catch {
    return null;
  }
}

/** Another process of keyturn: a worker that waits for a run. */
async function isKeyturn(pid: string): Promise<boolean> {
  const script = process.argv[1];
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  return script !== undefined && words.includes(script);
}
