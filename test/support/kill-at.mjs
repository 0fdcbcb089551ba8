// Loaded with --import into a keyturn process and its worker threads. Kills the process with SIGKILL right before a step
// of a chunk: KEYTURN_TEST_KILL_AT=<step>:<chunk>.
import { subscribe } from 'node:diagnostics_channel';

const [step, chunk] = (process.env.KEYTURN_TEST_KILL_AT ?? '').split(':');

subscribe('keyturn:chunk-step', (message) => {
  if (message.step === step && message.chunk === Number(chunk)) process.kill(process.pid, 'SIGKILL');
});
