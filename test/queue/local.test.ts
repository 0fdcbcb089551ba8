import { describe, expect, test } from '@jest/globals';
import type { KeyturnError } from '../../src/error.ts';
import { KeyturnError as Refusal } from '../../src/error.ts';
import { LocalQueue } from '../../src/queue/local.ts';
import { sendError, ThreadPool } from '../../src/queue/thread-pool.ts';
import { describeQueue, hints } from '../contract/queue.ts';
import { Desk, hintThread, until } from './desk.ts';

describeQueue('worker threads', async (desk) => {
  const queue = await LocalQueue.start(hintThread, { state: desk.state }, 2);
  return { queue, workers: 2, dismiss: async () => undefined };
});

describe('worker threads', () => {
  test('the queue counts its threads in its place', async () => {
    const queue = await LocalQueue.start(hintThread, { state: new Desk().state }, 2);
    expect(queue.place).toBe('2 worker threads');
    await queue.close();
  });

  test('an error at the start of a thread arrives with its code and hint', async () => {
    const refuse = sendError(
      new Refusal('source-key', 'no key', { hint: 'find it', facts: { keyId: 'ab' } }),
    );
    const error = await LocalQueue.start(hintThread, { state: new Desk().state, refuse }, 2).catch(
      (thrown: KeyturnError) => thrown,
    );
    expect(error).toMatchObject({
      code: 'source-key',
      message: 'no key',
      hint: 'find it',
      facts: { keyId: 'ab' },
    });
    expect(error).toBeInstanceOf(Refusal);
  });

  test('the death of a thread ends the wait', async () => {
    const desk = new Desk('shut');
    const queue = await LocalQueue.start(hintThread, { state: desk.state }, 2);
    await queue.offer(hints(1, 5));
    await until(() => desk.takes === 2);
    const settled = queue.settled(30_000);
    desk.breakThreads();
    await expect(settled).rejects.toThrow('ended unexpectedly');
    await queue.drain();
    await queue.close();
  });

  test('a thread that never returns is replaced, and its hint is taken again when it is offered again', async () => {
    const desk = new Desk();
    const data = { state: desk.state, wedged: 2 };
    const pool = await ThreadPool.start(hintThread, data, 2, { silenceMs: 500 });
    const [first, second, third] = hints(1, 3);
    if (first === undefined || second === undefined || third === undefined) throw new Error('no hints');
    await Promise.all([first, second, third].map((hint) => pool.take(hint)));
    expect(desk.taken(2)).toBe(1);
    await pool.take(second);
    expect(desk.taken(2)).toBe(2);
    await pool.close();
  });

  test('a pool gives each thread one hint at a time, and rejects the hints that it cannot finish', async () => {
    const desk = new Desk('shut');
    const pool = await ThreadPool.start(hintThread, { state: desk.state }, 2);
    const outcomes = Promise.allSettled(hints(1, 5).map((hint) => pool.take(hint)));
    await until(() => desk.takes === 2);
    await pool.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    expect(desk.takes).toBe(2);
    await expect(pool.take({ run: 'r', chunk: 9, generation: 1 })).rejects.toThrow();
  });
});
