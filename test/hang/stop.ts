import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from '@jest/globals';
import { type Ended, type Started, start } from '../commands/keyturn.ts';

/** Two seconds, and as much again for a busy machine. */
const mostMs = 4_000;

/** Expects that a command ends soon after one Ctrl-C, and says so. */
export async function stops(command: Started): Promise<Ended> {
  const asked = performance.now();
  command.child.kill('SIGINT');
  const ended = await command.ended;
  const ms = performance.now() - asked;
  expect({ args: command.child.spawnargs.slice(2, 4), ms, slow: ms > mostMs, ...ended }).toMatchObject({
    slow: false,
    code: 3,
    stderr: expect.stringContaining('stopped by SIGINT'),
  });
  return ended;
}

/** A server that accepts connections and never says anything. */
export interface SilentServer {
  readonly port: number;
  /** Resolves when it has had so many connections. */
  reached(connections: number): Promise<void>;
  close(): Promise<void>;
}

export async function startSilentServer(): Promise<SilentServer> {
  const sockets: { destroy(): void }[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    async reached(connections) {
      while (sockets.length < connections) await once(server, 'connection');
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Starts a command without input. */
export function begin(args: readonly string[], cwd: string): Started {
  const started = start(args, { cwd });
  started.child.stdin.end();
  return started;
}
