import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import type { KeyturnError } from '../../src/error.ts';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { consume } from '../../src/queue/consumer.ts';
import type { Hint } from '../../src/queue/queue.ts';
import { Desk, until } from '../queue/desk.ts';
import { startProxy } from '../queue/proxy.ts';
import { describeQueue, hints, run } from './queue.ts';

/** A server on which BullMQ keeps its jobs. */
export interface QueueServer {
  readonly url: string;
  readonly port: number;
  /** Ways to lose all jobs of the queue. */
  readonly losses: Readonly<Record<string, () => Promise<void>>>;
  /** Number of connections of keyturn. */
  connections(): Promise<number>;
  /** Everything that keyturn stores on it, as text. */
  contents(): Promise<string>;
}

/** Short, so that tests need not wait long for the hint of a dead worker. */
const lockMs = 2_000;
const workerProcess = fileURLToPath(new URL('../queue/worker-process.ts', import.meta.url));
const typescript = new URL('../support/typescript.mjs', import.meta.url).href;

export function describeSharedQueue(name: string, server: () => QueueServer): void {
  const at = (port: number): string => server().url.replace(/:\d+(?=[/?]|$)/, `:${port}`);
  const work = async (
    desk: Desk,
    url = server().url,
    options: { wedgedMs?: number } = {},
  ): Promise<{ close(): Promise<void>; errors: string[] }> => {
    const pool = await desk.pool(1);
    const errors: string[] = [];
    const consumer = await consume(
      url,
      { concurrency: 1, lockMs, onError: (error) => errors.push(error.message), ...options },
      (hint) => pool.take(hint),
    );
    const close = async (): Promise<void> => {
      desk.open();
      await consumer.close();
      await pool.close();
    };
    return { close, errors };
  };

  describeQueue(name, async (desk) => {
    const queue = await BullmqQueue.open(server().url);
    const workers = await Promise.all([work(desk), work(desk)]);
    return {
      queue,
      workers: 2,
      dismiss: async () => {
        await Promise.all(workers.map((worker) => worker.close()));
      },
    };
  });

  describe(`${name}: a queue on a server`, () => {
    test('the hint of a killed worker is taken by another', async () => {
      const queue = await BullmqQueue.open(server().url);
      const child = spawn(
        process.execPath,
        ['--import', typescript, workerProcess, server().url, String(5_000)],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      await queue.offer(hints(1, 1));
      expect(await firstLine(child)).toBe('1');
      const desk = new Desk();
      const worker = await work(desk);
      await queue.offer(hints(2, 2));
      await until(() => desk.taken(2) === 1);
      expect(desk.taken(1)).toBe(0);
      child.kill('SIGKILL');
      await until(() => desk.taken(1) === 1);
      await worker.close();
      await queue.close();
    });

    test('closing leaves no connection', async () => {
      const before = await server().connections();
      const queue = await BullmqQueue.open(server().url);
      const worker = await work(new Desk());
      await queue.offer(hints(1, 3));
      await queue.settled(10_000);
      expect(await server().connections()).toBeGreaterThan(before);
      await worker.close();
      await queue.close();
      await until(async () => (await server().connections()) <= before);
    });

    test('closing releases a hint that takes longer than the grace time', async () => {
      const queue = await BullmqQueue.open(server().url);
      const consumer = await consume(
        server().url,
        { concurrency: 1, lockMs, graceMs: 100, onError: () => undefined },
        () => new Promise(() => undefined),
      );
      await queue.offer(hints(1, 1));
      await until(() => consumer.busy === 1);
      await consumer.close();
      await consumer.ended;
      const desk = new Desk();
      const worker = await work(desk);
      await until(() => desk.taken(1) === 1);
      await worker.close();
      await queue.close();
    });

    test('a hint that cannot be taken is offered again, and the error stays with the worker', async () => {
      const queue = await BullmqQueue.open(server().url);
      const errors: string[] = [];
      let takes = 0;
      const consumer = await consume(
        server().url,
        { concurrency: 1, lockMs, onError: (error) => errors.push(error.message) },
        async () => {
          if (++takes === 1) throw new Error('hunter2 is the password');
        },
      );
      await until(async () => {
        await queue.offer(hints(1, 1));
        await queue.settled(100);
        return takes === 2;
      });
      expect(errors).toContain('hunter2 is the password');
      expect(await server().contents()).not.toContain('hunter2');
      await consumer.close();
      await queue.close();
    });

    test('a job contains only the run, the chunk and the generation', async () => {
      const queue = await BullmqQueue.open(server().url);
      await queue.offer([{ ...hints(1, 1)[0], after: 'row 17', key: 'hunter2' } as unknown as Hint]);
      const text = await server().contents();
      expect(text).toContain(run);
      expect(text).not.toMatch(/row 17|hunter2|after/);
      const found =
        text
          .replaceAll('": ', '":')
          .replaceAll('\\"', '"')
          .match(/\{"run".*?\}/g) ?? [];
      expect(found.length).toBeGreaterThan(0);
      for (const data of found)
        expect(JSON.parse(data)).toEqual({ run, chunk: expect.any(Number), generation: expect.any(Number) });
      await queue.drain();
      await queue.close();
    });

    test('the queue counts its workers', async () => {
      const queue = await BullmqQueue.open(server().url);
      const workers = await Promise.all([work(new Desk()), work(new Desk())]);
      await until(async () => (await queue.workers()) === 2);
      expect(queue.waiting()).toBeNull();
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.close();
    });

    test('without workers, the queue says so and drain does not wait', async () => {
      const queue = await BullmqQueue.open(server().url);
      await queue.offer(hints(1, 5));
      await until(async () => (await queue.workers()) === 0);
      expect(queue.waiting()).toMatch(/no worker is taking chunks from/);
      await queue.drain();
      await queue.close();
    });

    test('a loss is noticed once, and the hints are offered again', async () => {
      for (const [way, lose] of Object.entries(server().losses)) {
        const queue = await BullmqQueue.open(server().url);
        const held = new Desk('shut');
        const worker = await work(held);
        await queue.offer(hints(1, 10));
        await until(() => held.takes === 1);
        await lose();
        let lost = 0;
        let generation = 1;
        held.open();
        await until(async () => {
          if (!(await queue.intact())) {
            lost++;
            generation++;
          }
          await queue.offer(hints(1, 10, generation));
          await queue.settled(100);
          return held.chunks.length === 10;
        });
        expect({ way, lost }).toEqual({ way, lost: 1 });
        expect(await queue.intact()).toBe(true);
        await queue.drain();
        await worker.close();
        await queue.close();
      }
    });

    test('the queue waits for an unreachable server, and work continues when it is back', async () => {
      const proxy = await startProxy(server().port);
      const queue = await BullmqQueue.open(at(proxy.port));
      const desk = new Desk('shut');
      const worker = await work(desk, at(proxy.port));
      await queue.offer(hints(1, 4));
      await until(() => desk.takes === 1);
      await proxy.cut();
      desk.open();
      await until(async () => {
        await queue.offer(hints(5, 8));
        return queue.waiting() !== null;
      });
      expect(queue.waiting()).toMatch(/unreachable/);
      expect(await queue.intact()).toBe(true);
      expect(await queue.workers()).toBeNull();
      await until(() => worker.errors.length > 0);
      await proxy.mend();
      await until(async () => {
        await queue.offer(hints(1, 8));
        await queue.settled(100);
        return desk.chunks.length === 8 && queue.waiting() === null;
      });
      await worker.close();
      await queue.drain();
      await queue.close();
      await until(() => proxy.connections === 0);
      await proxy.cut();
    });

    test('the queue can be closed while the server is unreachable', async () => {
      const proxy = await startProxy(server().port);
      const queue = await BullmqQueue.open(at(proxy.port));
      const worker = await work(new Desk(), at(proxy.port));
      await proxy.cut();
      await Promise.all([queue.close(), worker.close()]);
    });

    test('a server that is down at start is reported within ten seconds', async () => {
      const proxy = await startProxy(server().port);
      await proxy.cut();
      const url = at(proxy.port);
      const started = performance.now();
      const errors = await Promise.all([
        BullmqQueue.open(url).catch((error: unknown) => error as KeyturnError),
        consume(url, { concurrency: 1, onError: () => undefined }, async () => undefined).catch(
          (error: unknown) => error as KeyturnError,
        ),
      ]);
      expect(performance.now() - started).toBeLessThan(10_000);
      for (const error of errors) {
        expect(error).toMatchObject({
          code: 'queue-unreachable',
          message: expect.stringMatching(/ECONNREFUSED/),
        });
        expect((error as Error).message).not.toContain('keyturn-test');
      }
    });
  });
}

async function firstLine(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  const [chunk] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return chunk.trim();
}
