// A worker thread that rotates nothing. It counts how often each chunk is taken, and settles it when the gate is open.
// workerData: { state: Int32Array over shared memory: [gate, takes of chunk 1, of chunk 2, …] } or { refuse: SentError };
// wedged: number of a chunk that the first thread to take it never returns from.
import { parentPort, workerData } from 'node:worker_threads';

const { state, refuse, wedged } = workerData;

parentPort.on('message', ({ chunk }) => {
  const before = Atomics.add(state, chunk, 1);
  // Never returns, the first time
  while (chunk === wedged && before === 0);
  const settle = () => {
    if (Atomics.load(state, 0) === 0) setTimeout(settle, 5);
    else if (Atomics.load(state, 0) === 2) process.exit(1);
    else parentPort.postMessage({ settled: chunk });
  };
  settle();
});

parentPort.postMessage(refuse === undefined ? { ready: true } : { broken: refuse });
