import base from './jest.config.js';

const { globalSetup, globalTeardown, ...portable } = base;

/** `npm run test:portable`: tests that need no server, and no file modes and signals of POSIX. */
/** @type {import('jest').Config} */
export default {
  ...portable,
  testMatch: [
    '<rootDir>/test/{checkpoint,chunk,documents,formats,job}/**/*.test.ts',
    '<rootDir>/test/databases/{disk-full,url}.test.ts',
    '<rootDir>/test/databases/mssql/{error,log,statement,url}.test.ts',
    '<rootDir>/test/databases/sqlite/id.test.ts',
    '<rootDir>/test/keys/{derived,key,keyring}.test.ts',
    '<rootDir>/test/terminal/*.test.ts',
    '<rootDir>/test/commands/help.test.ts',
  ],
};
