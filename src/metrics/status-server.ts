import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KeyturnError } from '../error.ts';
import type { Health } from './health.ts';
import type { RunMetrics } from './run-metrics.ts';

/** What one port serves. */
export interface Served {
  readonly health?: () => Health;
  readonly metrics?: RunMetrics;
}

/** HTTP for supervisors and Prometheus: `/health`, `/metrics`. */
export class StatusServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param port 0: any free port. Throws `bad-option` when the port is not available. */
  static async listen(host: string, port: number, served: Served): Promise<StatusServer> {
    const server = createServer((request, response) => void answer(served, request, response));
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw unavailable(host, port, cause);
    }
    // It must not keep the process alive.
    server.unref();
    return new StatusServer(server);
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function answer(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?')[0] ?? '/';
  const { health, metrics } = served;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else if (metrics !== undefined && path === '/metrics') {
    response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
  } else if (health !== undefined && (path === '/health' || path === '/')) {
    const { healthy, document } = health();
    response.writeHead(healthy ? 200 : 503, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ healthy, ...document })}\n`);
  } else response.writeHead(404).end();
}

function unavailable(host: string, port: number, cause: unknown): KeyturnError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'error';
  return new KeyturnError('bad-option', `cannot listen on ${host}:${port}: ${code}`, {
    hint: 'choose another port',
    cause,
  });
}
