import type { ProgressView } from './progress-view.ts';

/** Where a command meets its user. Results go to stdout; everything else that people read goes to stderr. */
export interface Terminal {
  /** Somebody is there to be asked. */
  readonly interactive: boolean;
  /** A part of the result. */
  out(text: string): void;
  /** Whether what was drawn on stdout can be drawn over. */
  readonly drawing: boolean;
  /** Instead of what was drawn last, where that can be drawn over; else below it. */
  redraw(text: string): void;
  /** A line for people. */
  say(line: string): void;
  /** Throws KeyturnError `stopped` when the question is left with Ctrl-C. */
  confirm(question: string): Promise<boolean>;
  /** Asks without echo. Throws KeyturnError `stopped` when the question is left with Ctrl-C. */
  askSecret(question: string): Promise<string>;
  /** All of stdin. */
  readInput(): Promise<string>;
  progress(): ProgressView;
}
