import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Hint, Queue } from '../../src/queue/queue.ts';
import { Desk, until } from '../queue/desk.ts';

/** A queue with workers that use the desk. */
export interface Workshop {
  readonly queue: Queue;
  readonly workers: number;
  /** Ends the workers if closing the queue does not. */
  dismiss(): Promise<void>;
}

export const run = '20261101-120000-abcdef';

export function hints(from: number, to: number, generation = 1): Hint[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ run, chunk: from + i, generation }));
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((each, i) => ({ each, key: (i * 7919) % 101 }))
    .sort((a, b) => a.key - b.key)
    .map(({ each }) => each);
}

/** What the coordinator relies on, with any implementation. */
export function describeQueue(name: string, setUp: (desk: Desk) => Promise<Workshop>): void {
  describe(`${name}: a queue`, () => {
    let desk: Desk;
    let shop: Workshop;
    let queue: Queue;

    beforeEach(async () => {
      desk = new Desk();
      shop = await setUp(desk);
      queue = shop.queue;
    });
    afterEach(async () => {
      desk.open();
      await queue.drain();
      await shop.dismiss();
      await queue.close();
    });

    test('every hint is taken, in any order of offers', async () => {
      const all = shuffled(hints(1, 60));
      await queue.offer(all.slice(0, 20));
      await queue.offer(all.slice(20));
      await until(() => desk.chunks.length === 60);
    });

    test('a hint that is waiting or in hand is not taken a second time', async () => {
      desk.shut();
      await queue.offer(hints(1, 12));
      await until(() => desk.takes === shop.workers);
      await queue.offer(hints(1, 12));
      await queue.offer(shuffled(hints(1, 12)));
      desk.open();
      await until(() => desk.chunks.length === 12);
      await queue.drain();
      expect(desk.takes).toBe(12);
    });

    test('a hint that was settled can be offered again', async () => {
      await queue.offer(hints(1, 2));
      await until(() => desk.chunks.length === 2);
      await until(async () => {
        await queue.offer(hints(1, 2));
        return desk.taken(1) >= 2 && desk.taken(2) >= 2;
      });
    });

    test('settled wakes up, also for an event before the call', async () => {
      desk.shut();
      await queue.offer(hints(1, 1));
      await until(() => desk.takes === 1);
      const woken = queue.settled(30_000);
      desk.open();
      await woken;
      await queue.settled(1);
      desk.shut();
      await queue.offer(hints(2, 2));
      await until(() => desk.takes === 2);
      desk.open();
      await queue.settled(30_000);
    });

    test('settled returns after its timeout', async () => {
      const started = performance.now();
      await queue.settled(50);
      expect(performance.now() - started).toBeLessThan(5_000);
    });

    test('drain drops waiting hints and waits for those in hand', async () => {
      desk.shut();
      await queue.offer(hints(1, 20));
      await until(() => desk.takes === shop.workers);
      let drained = false;
      const draining = queue.drain().then(() => {
        drained = true;
      });
      await queue.settled(1_000);
      expect(drained).toBe(false);
      desk.open();
      await draining;
      expect(desk.takes).toBe(shop.workers);
      await queue.offer(hints(21, 21));
      await until(() => desk.taken(21) === 1);
      expect(desk.takes).toBe(shop.workers + 1);
    });

    test('the queue knows its place, and that it is intact and has workers', async () => {
      expect(queue.place).not.toBe('');
      expect(queue.place).not.toContain('keyturn-test');
      expect(queue.waiting()).toBeNull();
      expect(await queue.intact()).toBe(true);
    });
  });
}
