import type { Command } from './command.ts';
import { exceptionsList } from './exceptions-list.ts';
import { exceptionsRetry } from './exceptions-retry.ts';
import { forget } from './forget.ts';
import { plan } from './plan.ts';
import { report } from './report.ts';
import { resume } from './resume.ts';
import { rotate } from './rotate.ts';
import { status } from './status.ts';
import { verify } from './verify.ts';

/** In the order in which they are needed. */
export const commands: readonly Command[] = [
  rotate,
  resume,
  plan,
  status,
  verify,
  report,
  exceptionsList,
  exceptionsRetry,
  forget,
];
