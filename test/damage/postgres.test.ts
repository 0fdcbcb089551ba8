import { damages, type Kind, kinds } from './suite.ts';

/** Where the engine matters; all of it: npm run test:faults. */
damages('postgres', Object.keys(kinds) as Kind[], ({ byEngine }) => byEngine === true);
