import { damages } from './suite.ts';

/** The rest, and all of it on PostgreSQL: npm run test:faults. */
damages('sqlite', ['the data', 'the key files'], ({ faultsOnly }) => faultsOnly !== true);
