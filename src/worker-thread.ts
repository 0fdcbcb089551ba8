/** Composition root of a worker thread. */
import { serve } from './rotation/thread.ts';

await serve();
