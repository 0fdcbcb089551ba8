import { hostname } from 'node:os';

/** This process as people know it, in the checkpoint and in logs: host and process. */
export function processName(): string {
  return `${hostname()}/${process.pid}`;
}

/** The host of a process so named. */
export function hostOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}
