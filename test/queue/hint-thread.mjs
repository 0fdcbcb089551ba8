// A worker thread that rotates nothing. It counts how often each chunk is taken, and settles it when the gate is open.
// workerData: { state: Int32Array over shared memory: [gate, takes of chunk 1, of chunk 2, …] } or { refuse: SentError }.
import { parentPort, workerData } from 'node:worker_threads';

const { state, refuse } = workerData;

parentPort.on('message', ({ chunk }) => {
  Atomics.add(state, chunk, 1);
  const settle = () => {
    if (Atomics.load(state, 0) === 0) setTimeout(settle, 5);
    else if (Atomics.load(state, 0) === 2) process.exit(1);
    else parentPort.postMessage({ settled: chunk });
  };
  settle();
});

parentPort.postMessage(refuse === undefined ? { ready: true } : { broken: refuse });
