import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

/** Listens, fills no queue by itself, and never accepts: the process sleeps. */
const listener = `
  const [, host, port] = process.argv;
  const server = require('node:net').createServer();
  server.listen({ host, port: Number(port), backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'listening');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

/** What Linux keeps for a backlog of 1. */
const kept = 2;

/**
 * An address that is offline as a network has it: nothing answers, and nothing refuses. The queue of a listener that never
 * accepts is full, so the kernel drops what arrives.
 */
export async function openBlackHole(host: string, port: number): Promise<{ close(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', listener, host, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const sockets = Array.from({ length: kept }, () => connect(port, host));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return {
    async close() {
      for (const socket of sockets) socket.on('error', () => undefined).destroy();
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}
