import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import {
  cancelled,
  done,
  errorToken,
  type Login,
  loginAck,
  packets,
  packetType,
  preloginAnswer,
  type ResultRow,
  readBatch,
  readLogin,
  readRpc,
  readTransaction,
  result,
  type ServerError,
  transactionToken,
} from './tds-messages.ts';

/** `cut` closes the connection, `silence` never answers; errors refuse the login. */
export type LoginAnswer = 'accept' | 'cut' | 'silence' | readonly ServerError[];
export type StatementAnswer = readonly ResultRow[] | ServerError | 'cut' | 'silence';

/** What keyturn asks on every connection that it opens; null: something else. */
export function ordinary(sql: string): StatementAnswer | null {
  if (sql.startsWith('select schema_id')) return [{ id: 1 }];
  if (sql.includes('sp_getapplock')) return [{ result: 0 }];
  if (sql.includes('applock_mode')) return [{ mode: 'Exclusive' }];
  return null;
}

/**
 * Speaks SQL Server's protocol and knows no SQL: what it answers to a login or a statement is the test's choice. It shows
 * what keyturn does with such an answer, and nothing about SQL Server.
 */
export class TdsServer {
  readonly logins: Login[] = [];
  readonly statements: string[] = [];
  onLogin: (login: Login) => LoginAnswer | Promise<LoginAnswer> = () => 'accept';
  onStatement: (sql: string) => StatementAnswer | Promise<StatementAnswer> = (sql) => ordinary(sql) ?? [];
  /** Whether a statement that timed out can be cancelled. */
  cancels = true;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param tls for clients with encrypt=strict, which begin with TLS. */
  static async start({
    host = '127.0.0.1',
    tls,
  }: {
    host?: string;
    tls?: TlsOptions;
  } = {}): Promise<TdsServer> {
    const listener =
      tls === undefined ? createServer() : createTlsServer({ ...tls, ALPNProtocols: ['tds/8.0'] });
    const server = new TdsServer(listener);
    listener.on(tls === undefined ? 'connection' : 'secureConnection', (socket) => server.#serve(socket));
    listener.listen(0, host);
    await once(listener, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** @param query more of the URL, such as `&applicationIntent=ReadOnly`. */
  url(query = '', host = '127.0.0.1'): string {
    return `mssql://keyturn:secret@${host}:${this.port}/app?encrypt=false${query}`;
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let unread = Buffer.alloc(0);
    let message: Buffer[] = [];
    socket.on('data', (data) => {
      unread = Buffer.concat([unread, data]);
      while (unread.length >= 8 && unread.length >= unread.readUInt16BE(2)) {
        const length = unread.readUInt16BE(2);
        const [type = 0, status = 0] = unread;
        message.push(unread.subarray(8, length));
        unread = unread.subarray(length);
        if ((status & 1) === 0) continue;
        void this.#answer(socket, type, Buffer.concat(message));
        message = [];
      }
    });
  }

  async #answer(socket: Socket, type: number, payload: Buffer): Promise<void> {
    const response = await this.#responseTo(type, payload);
    if (response === 'cut') socket.destroy();
    // The end of the statement, and then the answer to the request to cancel it
    else if (response !== 'silence' && type === packetType.attention)
      socket.write(Buffer.concat([done(), response].map((part) => packets(packetType.response, part))));
    else if (response !== 'silence') socket.write(packets(packetType.response, response));
  }

  async #responseTo(type: number, payload: Buffer): Promise<Buffer | 'cut' | 'silence'> {
    if (type === packetType.prelogin) return preloginAnswer();
    if (type === packetType.login) return this.#login(readLogin(payload));
    if (type === packetType.batch) return this.#statement(readBatch(payload));
    if (type === packetType.rpc) return this.#statement(readRpc(payload));
    if (type === packetType.attention) return this.cancels ? cancelled() : 'silence';
    if (type !== packetType.transaction) return done();
    const change = { 5: 8, 7: 9, 8: 10 } as const;
    const request = readTransaction(payload) as keyof typeof change;
    return Buffer.concat([transactionToken(change[request]), done()]);
  }

  async #login(login: Login): Promise<Buffer | 'cut' | 'silence'> {
    this.logins.push(login);
    const answer = await this.onLogin(login);
    if (answer === 'accept') return loginAck();
    if (typeof answer === 'string') return answer;
    return Buffer.concat([...answer.map(errorToken), done(true)]);
  }

  async #statement(sql: string): Promise<Buffer | 'cut' | 'silence'> {
    this.statements.push(sql);
    const answer = await this.onStatement(sql);
    if (typeof answer === 'string') return answer;
    if ('number' in answer) return Buffer.concat([errorToken(answer), done(true)]);
    return result(answer);
  }
}
