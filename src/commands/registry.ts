import { cancel } from './cancel.ts';
import type { Command } from './command.ts';
import { exceptionsList } from './exceptions-list.ts';
import { exceptionsRetry } from './exceptions-retry.ts';
import { forget } from './forget.ts';
import { pause } from './pause.ts';
import { plan } from './plan.ts';
import { report } from './report.ts';
import { resume } from './resume.ts';
import { rotate } from './rotate.ts';
import { scan } from './scan.ts';
import { status } from './status.ts';
import { verify } from './verify.ts';
import { worker } from './worker.ts';

/** All commands, in the order in which a user needs them. */
export const commands: readonly Command[] = [
  rotate,
  resume,
  plan,
  scan,
  worker,
  status,
  pause,
  cancel,
  verify,
  report,
  exceptionsList,
  exceptionsRetry,
  forget,
];
