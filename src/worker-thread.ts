/** Composition root of a worker thread. */
import { serve } from './rotation/workers/thread.ts';

await serve();
