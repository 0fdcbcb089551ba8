import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A proxy in front of a server that cuts connections in the middle of a message. */
export interface CuttingProxy {
  readonly port: number;
  /** Counts bytes in both directions and cuts the connection that carries the last of them. */
  cutAfter(bytes: number): Promise<void>;
  /** The next COMMIT reaches the server, but its answer is lost. */
  loseCommit(): Promise<void>;
  /** Drops every packet from now on and closes no socket. New connections are accepted and never answered. */
  silence(): void;
  /** Forwards packets again. Connections from before are closed. */
  speak(): void;
  /** Cancels a cut that has not happened yet. */
  disarm(): void;
  close(): Promise<void>;
}

/**
 * PostgreSQL's simple query, Q, its length, and the text: https://www.postgresql.org/docs/current/protocol-message-formats.html
 * MySQL's COM_QUERY, length, 0, 3, and the text: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query.html
 * SQL Server's packet for its transaction manager, whose request of type 7 follows 22 bytes of headers:
 * https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-tds
 */
function isCommit(data: Buffer): boolean {
  if (data[0] === 14) return data.length > 31 && data.readUInt16LE(30) === 7;
  if (data[4] === 3) return /^commit;?$/i.test(data.toString('latin1', 5));
  return /Q\0\0\0.commit;?\0/is.test(data.toString('latin1'));
}

/** @param target the port of the server. */
export async function startCuttingProxy(target: number, host = '127.0.0.1'): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let bytesLeft: number | null = null;
  let losing = false;
  let silent = false;
  let done: () => void = () => undefined;
  const armed = (): Promise<void> =>
    new Promise((resolve) => {
      done = resolve;
    });
  const hit = (): void => {
    bytesLeft = null;
    losing = false;
    done();
  };
  const server = createServer((near) => {
    if (silent) {
      sockets.add(near);
      near.on('error', () => undefined);
      near.resume();
      return;
    }
    const far = connect(target, host);
    let unanswered = false;
    const join = (from: Socket, to: Socket): void => {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('end', () => to.end());
      to.on('drain', () => from.resume());
      from.on('data', (data: Buffer) => {
        if (silent) return;
        if (from === far && unanswered) {
          near.destroy();
          return;
        }
        if (losing && from === near && isCommit(data)) {
          unanswered = true;
          hit();
        }
        if (bytesLeft !== null && data.length >= bytesLeft) {
          to.end(data.subarray(0, bytesLeft), () => to.destroy());
          hit();
          return;
        }
        if (bytesLeft !== null) bytesLeft -= data.length;
        if (!to.destroyed && !to.write(data)) from.pause();
      });
    };
    join(near, far);
    join(far, near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    cutAfter(bytes) {
      bytesLeft = bytes;
      return armed();
    },
    loseCommit() {
      losing = true;
      return armed();
    },
    silence() {
      silent = true;
    },
    speak() {
      silent = false;
      for (const socket of sockets) socket.destroy();
    },
    disarm: hit,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
