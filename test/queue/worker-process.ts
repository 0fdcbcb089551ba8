/** A worker process that takes hints, prints them, and never settles them. */
import { consume } from '../../src/queue/consumer.ts';

const [url = '', lockMs = ''] = process.argv.slice(2);
await consume(
  url,
  { concurrency: 1, lockMs: Number(lockMs), onError: (error) => console.error(error.message) },
  async (hint) => {
    console.log(hint.chunk);
    await new Promise(() => undefined);
  },
);
