import { damages } from './suite.ts';

/** The rest, and all of it on PostgreSQL: npm run test:faults. */
damages('sqlite', ['the checkpoint', 'the stored job'], ({ faultsOnly }) => faultsOnly !== true);
