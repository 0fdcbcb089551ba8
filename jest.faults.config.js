import base from './jest.config.js';

/** `npm run test:faults`: the whole fault suite, for hours if need be. */
/** @type {import('jest').Config} */
export default {
  ...base,
  testMatch: ['<rootDir>/test/faults/*.faults.ts'],
  maxWorkers: 1,
};
