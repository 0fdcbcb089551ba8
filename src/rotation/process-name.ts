import { hostname } from 'node:os';

/** Name of this process in the checkpoint and in logs: host and process id. */
export function processName(): string {
  return `${hostname()}/${process.pid}`;
}

/** The host in a process name. */
export function hostOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}
